"""Calls: the request, the checks before a call, the claim, the queue, the call to Telroi, and its webhook."""
