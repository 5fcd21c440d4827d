"""What the controller keeps of a cluster, opened for a run: the authorities and the administrator's kubeconfig.

A run that only compares makes and changes nothing of it: what is missing is made in a folder that goes away again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kprov.provision.cluster.context import server_for_people
from kprov.provision.inventory import Inventory
from kprov.provision.pki.authority import Authorities, is_complete, open_authorities
from kprov.provision.pki.kubeconfig import write_admin_kubeconfig

KUBECONFIG = "admin.kubeconfig"


@dataclass(frozen=True, slots=True)
class ControllerState:
    """What a run works with.

    Attributes:
        authorities: those of the cluster.
        kubeconfig: the administrator's.
        made_up: the authorities are no one's: the real ones are made when something is done for the first time.
    """

    authorities: Authorities
    kubeconfig: Path
    made_up: bool

    def made_up_texts(self) -> list[str]:
        """Texts of made-up authorities, which are others each time."""
        if not self.made_up:
            return []
        found = self.authorities
        pems = [authority.certificate_pem for authority in (found.cluster, found.etcd, found.front_proxy)]
        return [pem.decode() for pem in [*pems, found.service_account.public_pem]]


@contextmanager
def controller_state(inventory: Inventory, *, check: bool, passphrase: str | None) -> Iterator[ControllerState]:
    """Open it for a run.

    Raises:
        SealedError, PkiError: the authorities can't be opened.
    """
    folder = inventory.cluster.state_directory
    if not check:
        yield _open(inventory, folder, folder, passphrase, made_up=False)
        return
    with TemporaryDirectory(prefix="kprov-plan-") as temporary:  # mode 0700
        made_up = not is_complete(folder)
        if (folder / KUBECONFIG).exists() and not made_up:
            shutil.copyfile(folder / KUBECONFIG, Path(temporary) / KUBECONFIG)
        yield _open(inventory, Path(temporary) if made_up else folder, Path(temporary), passphrase, made_up=made_up)


def _open(
    inventory: Inventory, folder: Path, kubeconfig_folder: Path, passphrase: str | None, *, made_up: bool
) -> ControllerState:
    cluster = inventory.cluster
    authorities = open_authorities(folder, lifetime_days=cluster.ca_lifetime_days, passphrase=passphrase)
    kubeconfig = kubeconfig_folder / KUBECONFIG
    write_admin_kubeconfig(
        kubeconfig,
        cluster_name=cluster.cluster_name,
        server=server_for_people(inventory),
        authority=authorities.cluster,
        cluster=cluster,
    )
    return ControllerState(authorities, kubeconfig, made_up)
