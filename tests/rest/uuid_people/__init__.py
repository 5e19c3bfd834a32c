"""An app with a user model whose primary key is a UUID."""
