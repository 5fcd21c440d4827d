"""Making room: images that nobody uses."""
