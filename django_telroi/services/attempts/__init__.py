"""An attempt's life: finding it, its transitions, the codes that were typed for it, and its status for faces."""
