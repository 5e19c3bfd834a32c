"""Phone numbers and verified phones."""
