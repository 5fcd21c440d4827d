"""Reads the certificates that machines have, all machines at once, a round trip each, and judges them."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from kprov.provision.pki.authority import load_certificates
from kprov.provision.pki.catalogue import certificates_of
from kprov.provision.pki.expiry import ExpiryRow, bare_row, row_of, unreachable_row
from kprov.provision.pki.specification import CertificateSpec
from kprov.provision.verify.report import CheckFailed, Report

if TYPE_CHECKING:
    from kprov.provision.engine import Engine
    from kprov.provision.inventory import Host, Inventory

# What the kubelet gets for itself, through the cluster's API; it renews them without kprov.
KUBELET = {
    "kubelet-client": "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "kubelet-server": "/var/lib/kubelet/pki/kubelet-server-current.pem",
}
_MARK = "kprov-certificate "
_ONLY_CERTIFICATES = "/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p"


def read_certificates(
    engine: Engine, inventory: Inventory, hosts: Sequence[Host], now: datetime.datetime
) -> list[ExpiryRow]:
    """The rows of every certificate of ``hosts``; for one that is not connected, rows that say so."""
    everyone = list(inventory.hosts.values())
    specs = {host.name: certificates_of(host, inventory.cluster, everyone) for host in hosts}
    alive = [host.name for host in engine.alive(hosts)]
    calls = {name: ("shell", {"cmd": script(specs[name]), "_check": False, "_quiet": True}) for name in alive}
    answers = engine.module_all(calls)
    authorities = load_certificates(inventory.cluster.state_directory)
    rows: list[ExpiryRow] = []
    for host in hosts:
        answer = answers.get(host.name)
        if answer is None or answer.failed:
            reason = answer.message if answer is not None else engine.state[host.name].reason
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


def warning_days(inventory: Inventory) -> int:
    """So many days before its end a certificate is a matter of concern; short-lived ones: a quarter of their life."""
    cluster = inventory.cluster
    return min(cluster.certificate_warning_days, cluster.certificate_lifetime_days // 4)


def verify_files(engine: Engine, inventory: Inventory, hosts: Sequence[Host], report: Report) -> None:
    """Every certificate on every machine, and every authority, is there, fits, and does not end soon."""
    now, least = datetime.datetime.now(datetime.UTC), warning_days(inventory)
    for host in hosts:
        with report.check("certificates", f"All certificates of {host.name} fit and last") as result:
            rows = read_certificates(engine, inventory, [host], now)
            days = [row.days_left for row in rows if row.days_left is not None]
            result.figures |= {"certificates": len(rows), "first_ends_in_days": min(days, default=None)}
            result.figures["days_left"] = {row.name: row.days_left for row in rows}
            wrong = [
                f"{host.name}: {row.path} ({row.name}) {what}: {_what_mends(row)}"
                for row in rows
                if (what := _what_is_wrong(row, least))
            ]
            if wrong:
                raise CheckFailed("; ".join(wrong))
    with report.check("certificates", "The authorities last") as result:
        left = {
            name: (certificate.not_valid_after_utc - now).days
            for name, certificate in load_certificates(inventory.cluster.state_directory).items()
        }
        result.figures["days_left"] = left
        soon = [
            f"{name} ends in {days} days, and everything that it signed with it: `kprov certs rotate-ca --authority "
            f"{name}` changes it for a new one"
            for name, days in left.items()
            if days < least
        ]
        if soon:
            raise CheckFailed("; ".join(soon))


def _what_mends(row: ExpiryRow) -> str:
    if row.state == "unreachable":
        return "bring the machine back"
    if row.name in KUBELET:
        return "the kubelet has not renewed it: on that machine, `journalctl -u kubelet` says why"
    return f"`kprov certs renew {row.name}` mends it"


def _what_is_wrong(row: ExpiryRow, least: int) -> str:
    if row.state in ("expired", "missing", "unreachable"):
        return f"is {row.state}" + (f" ({row.reason})" if row.reason else "")
    if row.days_left is not None and row.days_left < least:
        return f"ends in {row.days_left} days"
    # That it would be renewed because a third of its life is left is no fault; that it does not fit is one.
    if row.state == "renew" and row.reason and "days are left" not in row.reason:
        return row.reason.removeprefix("it ")
    return ""
