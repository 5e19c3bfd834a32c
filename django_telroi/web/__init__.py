"""The pages: they translate between a browser and the services, and decide nothing."""
