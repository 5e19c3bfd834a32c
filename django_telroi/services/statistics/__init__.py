"""Statistics of a period, and the current counts."""
