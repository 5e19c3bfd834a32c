"""Staff actions on numbers and on all calls, and the export of a number."""
