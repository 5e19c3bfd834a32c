"""Statistics of a period, and the counts of this moment."""
