"""What a certificate must say, and where it lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSpec:
    """One certificate of one machine, complete: names, usages, files, and who reads it."""

    name: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    server: bool = False
    client: bool = False
    lifetime_days: int = 365
    path: str = ""
    key_path: str = ""
    owner: str = "root"
    group: str = "root"
    key_mode: str = "0600"
    mode: str = "0644"
    services: tuple[str, ...] = ()
    """The units that read it, in the order in which they are restarted."""

    @property
    def subject_alternative_names(self) -> list[str]:
        """The names as openssl writes them: ``DNS:cp1``, ``IP:10.0.0.1``."""
        return [*(f"DNS:{name}" for name in self.dns_names), *(f"IP:{address}" for address in self.addresses)]
