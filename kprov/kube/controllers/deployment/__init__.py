"""Deployments: rolling from one ReplicaSet to the next."""
