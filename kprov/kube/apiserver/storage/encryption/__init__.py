"""Encryption at rest: values are sealed on their way into etcd and opened on their way out, in upstream's formats."""
