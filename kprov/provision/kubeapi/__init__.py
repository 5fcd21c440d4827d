"""The controller's way to a cluster's API: over whichever API server answers."""
