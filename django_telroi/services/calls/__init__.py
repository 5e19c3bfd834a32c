"""Placing a call: what was asked for, the guards, the claim, the queue, the call, and its webhook."""
