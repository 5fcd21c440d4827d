"""Making room: images that nobody uses, and pods when the machine runs short."""
