"""Code that all services use: transactions, arguments, the state of a number and of the site, the backend, alerts."""
