"""A device of django-otp: a phone that is called, with a code that django-telroi makes and checks."""
