"""What the admin's screens share: lists, chips, meanings, filters, search and export."""
