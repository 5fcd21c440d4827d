"""Containers' log files: reading, following and turning them over."""
