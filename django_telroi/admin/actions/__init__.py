"""Staff actions: what each one does, its confirmation page, and the kill switch."""
