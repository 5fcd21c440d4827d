"""What the controller keeps of a cluster, opened for a run: the authorities and the administrator's kubeconfig.

A run that only compares makes and changes nothing of it: what is missing is made in a folder that goes away again.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kprov.provision.cluster.context import server_for_people
from kprov.provision.inventory import Inventory
from kprov.provision.pki.authority import (
    AUTHORITIES,
    Authorities,
    is_complete,
    load_certificates,
    open_authorities,
)
from kprov.provision.pki.chain import load_given
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.external import EXTERNAL, import_with_key
from kprov.provision.pki.kubeconfig import write_admin_kubeconfig
from kprov.provision.pki.rotation import load_rotation

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
        if made_up and (folder / "pki" / EXTERNAL).is_dir():
            shutil.copytree(folder / "pki" / EXTERNAL, Path(temporary) / "pki" / EXTERNAL)
        yield _open(inventory, Path(temporary) if made_up else folder, Path(temporary), passphrase, made_up=made_up)


def take_named_authorities(
    inventory: Inventory, folder: Path, passphrase: str | None, *, next_of: Collection[str] = ()
) -> None:
    """Lay ready the authorities that the inventory names: those that the cluster lacks.

    Args:
        inventory: may name some.
        folder: the state directory.
        passphrase: opens their keys, where they are sealed.
        next_of: authorities that are about to be changed for others.

    Raises:
        PkiError: no cluster can be built on one. SealedError.
    """
    present, under_way = load_certificates(folder), load_rotation(folder / "pki")
    for name in AUTHORITIES:
        files = inventory.cluster.authority_files(name)
        if files is None or name in under_way:
            continue
        if name in present and (name not in next_of or not files[0].exists()):
            continue
        if name not in present or load_given(files[0])[0] != present[name]:
            import_with_key(folder, name, *files, passphrase=passphrase)


def refuse_other_authorities(inventory: Inventory) -> None:
    """A cluster's authority is changed in steps, never by a line in the inventory.

    Raises:
        PkiError: the inventory names another one than the cluster has.
    """
    state = inventory.cluster.state_directory
    present, under_way = load_certificates(state), load_rotation(state / "pki")
    for name in present.keys() - under_way.keys():
        files = inventory.cluster.authority_files(name)
        if files is not None and files[0].exists() and (named := load_given(files[0])[0]) != present[name]:
            raise PkiError(
                f"the inventory names {files[0]} ({named.subject.rfc4514_string()}) as the authority {name}, and the "
                f"cluster has another: `kprov certs rotate-ca --authority {name}` changes it; or take the setting out"
            )


def _open(
    inventory: Inventory, folder: Path, kubeconfig_folder: Path, passphrase: str | None, *, made_up: bool
) -> ControllerState:
    cluster = inventory.cluster
    take_named_authorities(inventory, folder, passphrase)
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
