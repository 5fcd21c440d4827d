"""What the server serves, told to clients."""
