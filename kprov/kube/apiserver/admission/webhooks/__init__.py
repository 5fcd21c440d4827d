"""Admission webhooks: programs of others that are asked about writes (admissionregistration.k8s.io)."""
