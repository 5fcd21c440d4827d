"""All checks, in the order in which a fault explains the next one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kprov.provision.verify.certificates import verify_files, warning_days
from kprov.provision.verify.cis.check import verify_benchmark
from kprov.provision.verify.control_plane import verify_control_plane, verify_nodes
from kprov.provision.verify.high_availability import verify_high_availability
from kprov.provision.verify.machines import verify_machines
from kprov.provision.verify.pod_network import verify_pod_network
from kprov.provision.verify.report import CheckFailed
from kprov.provision.verify.session import Session
from kprov.provision.verify.workload import verify_workload

if TYPE_CHECKING:
    from kprov.provision.inventory import Host


def _certificate_days(address: str, port: int) -> float:
    import socket

    from cryptography import x509

    context = ssl.create_default_context()
    context.check_hostname = False  # only the date is asked for here; trust is checked where it is used
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), timeout=5) as raw, context.wrap_socket(raw) as secured:
        certificate = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    return (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds() / 86400


def verify_certificates(session: Session) -> None:
    """What API servers and kubelets show to their clients does not end soon, nor does any file on the machines."""
    least = warning_days(session.inventory)

    def look(host: Host, name: str, port: int) -> None:
        with session.report.check("certificates", f"The {name} of {host.name} shows one that lasts") as result:
            days = _certificate_days(host.node_address, port)
            result.figures["days_left"] = round(days, 1)
            if days < least:
                raise CheckFailed(f"it ends in {days:.1f} days: `kprov certs renew` makes it anew")

    for host in session.inventory.group("control_plane"):
        look(host, "API server", session.inventory.cluster.api_server_port)
    for host in session.inventory.hosts.values():
        look(host, "kubelet", 10250)
    hosts = session.engine.alive(session.inventory.hosts.values())
    verify_files(session.engine, session.inventory, hosts, session.report)


def verify_cluster(session: Session, *, high_availability: bool) -> None:
    """Run every check into the session's report.

    Arguments: ``high_availability`` also takes each control-plane machine away in turn.
    """
    hosts = session.engine.alive(session.inventory.hosts.values())
    for host in session.inventory.hosts.values():
        with session.report.check("machines", f"{host.name} answers"):
            if host not in hosts:
                raise CheckFailed(session.engine.state[host.name].reason or "it does not")
    verify_machines(session.engine, hosts, session.report)
    verify_control_plane(session)
    verify_nodes(session)
    verify_pod_network(session)
    verify_certificates(session)
    if session.inventory.cluster.security_profile == "cis":
        verify_benchmark(session)
    verify_workload(session)
    if high_availability and session.report.passed:
        verify_high_availability(session)
