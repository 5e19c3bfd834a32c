"""The health check for probes of load balancers and orchestrators."""
