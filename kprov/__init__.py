"""kprov: bare machines that answer on SSH, made into a verified, highly available Kubernetes cluster."""

__version__ = "0.1.0"
