"""The overview of all calls."""
