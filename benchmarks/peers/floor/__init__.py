"""The least code that is still right: a model, two functions and a view. See ``floor.calls``."""
