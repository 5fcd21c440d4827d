"""What kprov must know of Debian on the controller: mirrors, apt's settings, packages that are missing there.

Both the lab (root trees) and the bundle (packages for the machines) stand on it.
"""
