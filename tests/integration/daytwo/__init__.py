"""A package, so that its cluster goes with its last test."""
