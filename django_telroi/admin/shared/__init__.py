"""Shared parts of the admin: lists, chips, explanations, filters, search and export."""
