"""Verified numbers of users, and proofs for people without an account."""
