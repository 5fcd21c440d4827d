"""Probes: whether a container has started, can serve, and is alive."""
