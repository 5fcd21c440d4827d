"""The scheduler's plugins, one file a concern, under upstream's names."""
