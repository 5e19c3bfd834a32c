"""Where Telroi reports what became of its calls. The one address that needs neither a session nor a CSRF token."""
