"""What clients of a cluster notice while it is upgraded."""
