"""Accounts and proofs: whose number it is, and how a person without an account shows it."""
