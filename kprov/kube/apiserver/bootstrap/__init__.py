"""What every cluster holds before its first user arrives: roles, bindings, namespaces and priority classes."""
