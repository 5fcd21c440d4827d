"""What could fail later, checked on all machines before anything is changed, and reported at once."""

from kprov.provision.cluster.preflight.checks import HOST_CHECKS, Finding
from kprov.provision.cluster.preflight.run import preflight

__all__ = ["HOST_CHECKS", "Finding", "preflight"]
