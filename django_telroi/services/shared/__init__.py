"""Code that all services use: transactions, composed statements, arguments, states, the backend, alerts."""
