"""Reads the certificates that machines have, for ``kprov certs list``."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from kprov.provision.pki.expiry import ExpiryRow
from kprov.provision.verify.certificates import KUBELET, kubelet_rows, parse, read_certificates, script

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory

__all__ = ["KUBELET", "kubelet_rows", "parse", "read_rows", "script"]


def read_rows(
    inventory: Inventory, hosts: list[Host], now: datetime.datetime, *, forks: int, accept_new_host_keys: bool
) -> list[ExpiryRow]:
    """The rows of every certificate of ``hosts``; for a host that does not answer, rows that say so."""
    from kprov.provision.engine import Engine

    with Engine(
        inventory,
        forks=forks,
        accept_new_host_keys=accept_new_host_keys,
        state_directory=inventory.cluster.state_directory,
        lock=False,  # reading must not wait for a run, nor hold one up
        command_line="kprov certs list",
    ) as engine:
        engine.connect(hosts)
        return read_certificates(engine, inventory, hosts, now)
