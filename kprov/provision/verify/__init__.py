"""Health checks of a cluster, from its machines to real work, and the proof that it survives a loss."""
