"""What the server itself does about Services: addresses, ports, and the Service of the API server."""
