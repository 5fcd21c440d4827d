"""This machine as a Node: facts, conditions, registration, lease."""
