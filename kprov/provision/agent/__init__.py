"""What runs on a machine: standard library only, Python 3.9 or newer, imported from memory, gone when the.

Connection ends.
"""
