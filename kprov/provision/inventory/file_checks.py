"""What must be true of the files that an inventory names: they are there, and secret ones are read by nobody else."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kprov.provision.inventory.model import Host
from kprov.provision.inventory.problems import Locate, Location, ProblemLog
from kprov.provision.inventory.settings import AUTHORITY_SETTINGS, ClusterSettings

Say = Callable[[Location, str, str | None], None]


def check_authority_files(cluster: ClusterSettings, locate: Locate, log: ProblemLog) -> None:
    """An authority of the user's has a certificate and a key, and the key is read by nobody else.

    What is in them is looked at when they are taken. After that they may be gone: kept elsewhere, or the cluster was
    restored from a backup, which has what was taken.
    """
    for name, (certificate, key) in AUTHORITY_SETTINGS.items():
        given = [setting for setting in (certificate, key) if getattr(cluster, setting) is not None]
        if len(given) == 1:
            (missing,) = {certificate, key} - set(given)
            log.add(
                locate(given[0]),
                f"{given[0]} is of no use without {missing}",
                f"name both; where the key is not yours to have: kprov certs request --authority {name}",
            )
            continue
        for setting in given:
            path: Path = getattr(cluster, setting)
            try:
                mode = stat.S_IMODE(path.stat().st_mode)
                path.open("rb").close()
            except FileNotFoundError:
                if not (cluster.state_directory / "pki").is_dir():
                    hint = "relative paths begin at the inventory's folder; once a cluster stands, both may be gone"
                    log.add(locate(setting), f"{path} does not exist", hint)
            except OSError as error:
                log.add(locate(setting), f"{path} can't be read: {error.strerror}", None)
            else:
                if setting == key and mode & 0o077:
                    log.add(locate(setting), f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")


def check_key_files(hosts: Mapping[str, Host], where: Mapping[str, Locate], say: Say) -> None:
    """Private keys can be read by us and by nobody else."""
    seen: set[Any] = set()
    for host in hosts.values():
        path = host.private_key_file
        location = where[host.name]("ansible_ssh_private_key_file")
        if path is None or (path, location) in seen:
            continue
        seen.add((path, location))
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            if not path.is_file():
                say(location, f"{path} is not a file", "name the private key's file")
                continue
            with path.open("rb") as file:
                head = file.read(64)
        except FileNotFoundError:
            say(location, f"private key {path} does not exist", "relative paths begin at the inventory's folder")
            continue
        except OSError as error:
            say(location, f"private key {path} can't be read: {error.strerror}", None)
            continue
        if not head.startswith(b"-----BEGIN") or b"PUBLIC KEY" in head:
            hint = f"did you mean {path.with_suffix('')}?" if path.suffix == ".pub" else "name the private key's file"
            say(location, f"{path} is not a private key", hint)
        elif mode & 0o077:
            say(location, f"private key {path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
