"""Authorities and the service-account key are changed for new ones while the cluster serves."""
