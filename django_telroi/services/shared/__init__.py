"""What all services use: transactions, arguments, the rows of a number and of the site, the backend, alerts."""
