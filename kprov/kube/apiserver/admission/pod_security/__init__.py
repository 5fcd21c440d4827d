"""The Pod Security Standards: what a namespace's labels say that its pods may be."""
