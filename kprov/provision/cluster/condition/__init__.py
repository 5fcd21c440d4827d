"""How a cluster stands, seen at a glance, and what is wrong with it."""
