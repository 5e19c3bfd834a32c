"""Phone sign-up, phone login and login by code of django-allauth, with codes that a call reads out."""
