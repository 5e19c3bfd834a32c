"""The user model of the site with django-allauth, which asks the site to store the phone."""
