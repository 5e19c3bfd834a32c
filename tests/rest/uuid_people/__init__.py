"""An app whose people have a UUID for a key."""
