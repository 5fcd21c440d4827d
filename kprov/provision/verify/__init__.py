"""Health checks of a cluster, from its machines to real work, and the proof that it survives a loss."""

from kprov.provision.verify.all_checks import verify_cluster
from kprov.provision.verify.report import CheckResult, Report
from kprov.provision.verify.session import Session

__all__ = ["CheckResult", "Report", "Session", "verify_cluster"]
