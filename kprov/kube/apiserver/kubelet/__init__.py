"""Requests that end at a node: logs, exec, attach, port-forward and proxies."""
