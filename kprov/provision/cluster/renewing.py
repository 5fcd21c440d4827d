"""Certificates made anew while the cluster serves: the phases."""

from __future__ import annotations

from kprov.provision.cluster.certificates import issue_certificates
from kprov.provision.cluster.phase import Phase
from kprov.provision.cluster.restarts import restart_stale_services

RENEW: tuple[Phase, ...] = (
    Phase("Issue certificates", "all", procedure=issue_certificates, whole=True),
    # What is stale is asked of the machines: a run that was killed before this is made good by the next.
    Phase("Restart what is stale", "all", procedure=restart_stale_services, whole=True),
)
