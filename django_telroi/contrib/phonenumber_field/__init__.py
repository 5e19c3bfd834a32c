"""The number on file: a verified number in a field of the user's own, such as django-phonenumber-field's.

``IsVerified`` needs no package: the field may also be a ``CharField``.
"""

from django_telroi.contrib.phonenumber_field.on_file import IsVerified

__all__ = ["IsVerified"]
