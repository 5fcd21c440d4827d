"""Machines of a cluster that stands: given no new pods, emptied, added, taken out, replaced."""
