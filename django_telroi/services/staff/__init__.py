"""Staff actions on numbers, stops of calls, and what support does for one person."""
