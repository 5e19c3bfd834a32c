"""The pages. They translate between a browser and the services. The services make all decisions."""
