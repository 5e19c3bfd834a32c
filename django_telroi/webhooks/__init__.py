"""The webhook: Telroi reports the results of calls here. It is the only URL without a session and a CSRF token."""
