"""Rules about phone numbers, codes, limits and statuses, without Django, network or clock."""
