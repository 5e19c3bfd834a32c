"""Verification attempts and their timelines."""
