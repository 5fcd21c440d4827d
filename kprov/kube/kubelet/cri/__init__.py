"""The container runtime, spoken to over CRI v1 (gRPC on a local socket)."""
