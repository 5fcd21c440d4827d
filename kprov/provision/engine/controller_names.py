"""What the controller is called as a host."""

LOCAL = "localhost"

LOCAL_NAMES = frozenset({LOCAL, "127.0.0.1", "::1"})
"""Each means the controller where the inventory has no host of that name."""
