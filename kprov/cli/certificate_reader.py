"""Reads the certificates that machines have, all machines at once, a round trip each."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from kprov.provision.pki.authority import load_certificates
from kprov.provision.pki.catalogue import certificates_of
from kprov.provision.pki.expiry import ExpiryRow, bare_row, row_of, unreachable_row
from kprov.provision.pki.specification import CertificateSpec

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory

# What the kubelet gets for itself, through the cluster's API; it renews them without kprov.
KUBELET = {
    "kubelet-client": "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "kubelet-server": "/var/lib/kubelet/pki/kubelet-server-current.pem",
}
_MARK = "kprov-certificate "
_ONLY_CERTIFICATES = "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p"


def read_rows(
    inventory: Inventory, hosts: list[Host], now: datetime.datetime, *, forks: int, accept_new_host_keys: bool
) -> list[ExpiryRow]:
    """The rows of every certificate of ``hosts``; for a host that does not answer, rows that say so."""
    from kprov.provision.engine import Engine

    everyone = list(inventory.hosts.values())
    specs = {host.name: certificates_of(host, inventory.cluster, everyone) for host in hosts}
    with Engine(
        inventory,
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        state_directory=inventory.cluster.state_directory,
        lock=False,  # reading must not wait for a run, nor hold one up
        command_line="kprov certs list",
    ) as engine:
        states = engine.connect(hosts)
        alive = [host.name for host in engine.alive(hosts)]
        answers = engine.module_all({name: ("shell", {"cmd": script(specs[name])}) for name in alive})
    authorities = load_certificates(inventory.cluster.state_directory)
    rows: list[ExpiryRow] = []
    for host in hosts:
        answer = answers.get(host.name)
        if answer is None or answer.failed:
            reason = answer.message if answer is not None else states[host.name].reason
            rows += [unreachable_row(host.name, spec, reason) for spec in specs[host.name]]
            continue
        found = parse(answer["stdout"])
        rows += [
            row_of(host.name, spec, found.get(spec.path), authorities.get(spec.authority), now)
            for spec in specs[host.name]
        ]
        rows += kubelet_rows(host.name, found, now)
    return rows


def script(specs: Iterable[CertificateSpec]) -> str:
    """A script that prints certificates and only certificates: the kubelet's files hold its keys as well.

    It needs nothing but ``sed``: a machine that was never set up has no openssl.
    """
    paths = [*(spec.path for spec in specs), *KUBELET.values()]
    read = f"sed -n {shlex.quote(_ONLY_CERTIFICATES)}"
    return "; ".join(
        f"echo {shlex.quote(_MARK + path)}; {read} {shlex.quote(path)} 2>/dev/null || true" for path in paths
    )


def parse(text: str) -> dict[str, str]:
    """Path -> certificate (PEM) of what the script printed; nothing for files that are not there."""
    found: dict[str, str] = {}
    for block in text.split(_MARK)[1:]:
        path, _, content = block.partition("\n")
        if content.strip():
            found[path.strip()] = content.strip() + "\n"
    return found


def kubelet_rows(host: str, found: Mapping[str, str], now: datetime.datetime) -> list[ExpiryRow]:
    """The kubelet's own certificates, where it has them."""
    return [bare_row(host, name, path, "cluster", found[path], now) for name, path in KUBELET.items() if path in found]
