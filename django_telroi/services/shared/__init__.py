"""Code that all services use: transactions, statements, arguments, states, secrets, the backend, outcomes, alerts."""
