"""How long every certificate has still to live."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from cryptography import x509

from kprov.provision.pki.renewal import needs_renewal
from kprov.provision.pki.specification import CertificateSpec

CONTROLLER = "(controller)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryRow:
    """One certificate in the list."""

    host: str
    name: str
    path: str
    subject: str
    authority: str
    expires: str | None
    """RFC 3339, UTC; None when there is no certificate."""
    days_left: int | None
    state: str
    """``ok``, ``renew`` (kprov would make it anew), ``expired``, ``missing`` or ``unreachable``."""
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def row_of(
    host: str,
    spec: CertificateSpec,
    certificate_pem: bytes | str | None,
    authority: x509.Certificate | None,
    now: datetime.datetime,
) -> ExpiryRow:
    """The row of a certificate that the catalogue knows."""
    if not certificate_pem:
        return _absent(host, spec, "missing", "there is none")
    content = certificate_pem.encode() if isinstance(certificate_pem, str) else certificate_pem
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError:
        return _absent(host, spec, "missing", "the file is not a certificate")
    reason = needs_renewal(content, spec, authority, now) if authority else "its authority is not known here"
    return _present(host, spec.name, spec.path, spec.authority, certificate, reason, now)


def unreachable_row(host: str, spec: CertificateSpec, reason: str) -> ExpiryRow:
    """The row of a certificate that could not be read: its host did not answer."""
    return _absent(host, spec, "unreachable", reason)


def authority_row(name: str, path: str, certificate: x509.Certificate, now: datetime.datetime) -> ExpiryRow:
    """The row of an authority. It is never made anew by itself; a year ahead its owner is told."""
    left = certificate.not_valid_after_utc - now
    reason = "the authority itself nears its end" if left < datetime.timedelta(days=365) else None
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if lifetime < datetime.timedelta(days=730):
        reason = reason if left < lifetime / 3 else None
    return _present(CONTROLLER, f"authority {name}", path, name, certificate, reason, now)


def bare_row(
    host: str, name: str, path: str, authority: str, certificate_pem: bytes | str | None, now: datetime.datetime
) -> ExpiryRow:
    """The row of a certificate that is not in the catalogue, such as the kubelet's, which renews its own."""
    content = (certificate_pem or "").encode() if not isinstance(certificate_pem, bytes) else certificate_pem
    try:
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError:
        return ExpiryRow(
            host=host,
            name=name,
            path=path,
            subject="",
            authority=authority,
            expires=None,
            days_left=None,
            state="missing",
            reason="there is none",
        )
    return _present(host, name, path, authority, certificate, None, now)


def soonest_first(rows: Iterable[ExpiryRow]) -> list[ExpiryRow]:
    """The rows in the order in which somebody must look at them."""
    return sorted(rows, key=lambda row: (row.days_left is not None, row.days_left or 0, row.host, row.name))


def _present(
    host: str,
    name: str,
    path: str,
    authority: str,
    certificate: x509.Certificate,
    reason: str | None,
    now: datetime.datetime,
) -> ExpiryRow:
    end = certificate.not_valid_after_utc
    expired = end <= now
    return ExpiryRow(
        host=host,
        name=name,
        path=path,
        subject=certificate.subject.rfc4514_string(),
        authority=authority,
        expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        days_left=(end - now).days,
        state="expired" if expired else "renew" if reason else "ok",
        reason=reason,
    )


def _absent(host: str, spec: CertificateSpec, state: str, reason: str) -> ExpiryRow:
    return ExpiryRow(
        host=host,
        name=spec.name,
        path=spec.path,
        subject="",
        authority=spec.authority,
        expires=None,
        days_left=None,
        state=state,
        reason=reason,
    )
