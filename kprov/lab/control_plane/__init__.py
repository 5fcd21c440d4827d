"""A cluster's control plane without machines: etcd and the three daemons on loopback.

For working on the daemons: ``./dev control-plane up`` starts it, clients and judges run against it, and the tests
start parts of it. Nothing of it is a cluster's part: real machines get theirs from ``kprov up``.
"""
