"""The node's HTTPS API (port 10250): logs, exec, attach, port-forward, and what the machine and its pods use."""
