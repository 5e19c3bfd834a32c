"""What is true about phones, codes, limits and statuses: no Django, no network, no clock."""
