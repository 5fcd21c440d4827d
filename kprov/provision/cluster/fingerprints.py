"""Tells whether what a plan was made from is still the same, and names what is not.

Everything that a run depends on besides the machines has a fingerprint of its own: each variable of each machine, each
file of roles and templates, each part of the bundle, the authorities, kprov itself. Secrets have one together, made as
a password's hash is, so that it gives nothing away; wherever else they appear they are masked first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes

import kprov
from kprov.provision.bundle import Bundle
from kprov.provision.engine.secrets import Secrets
from kprov.provision.inventory import Inventory
from kprov.provision.pki.authority import AUTHORITIES, load_certificates

Fingerprints = dict[str, dict[str, str]]
"""section -> name -> fingerprint"""

_NONE_YET = "made when it is first needed"


def fingerprints(
    inventory: Inventory, bundle: Bundle, secrets: Secrets, salt: bytes, *, roles: Path, templates: Path
) -> Fingerprints:
    """Everything that a run depends on.

    Args:
        inventory: every variable of every machine.
        bundle: what machines get.
        secrets: all that are known, none of which is ever given away.
        salt: the plan's own.
        roles, templates: their folders.
    """
    variables = {
        f"{host.name} {name}": value
        for host in inventory.hosts.values()
        for name, value in {**host.variables, "its groups": list(host.groups)}.items()
    }
    texts = {name: _canonical(value) for name, value in variables.items()}  # all are read before the first is masked
    return {
        "variable": {name: _digest(secrets.mask(text).encode()) for name, text in texts.items()},
        "secrets": {"of the inventory": secrets.digest(salt)},
        "roles": _files(roles, lambda path: True),
        "templates": _files(templates, lambda path: True),
        "bundle": _bundle(bundle),
        "authorities": _authorities(inventory.cluster.state_directory),
        "kprov": {"version": kprov.__version__, "code": _code()},
    }


def differences(then: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What is not as it was, a sentence each; a variable that differs for all machines is named once."""
    sentences = []
    for section in [*now, *(name for name in then if name not in now)]:
        old, new = then.get(section, {}), now.get(section, {})
        names = [name for name in [*new, *(name for name in old if name not in new)] if old.get(name) != new.get(name)]
        if not names:
            continue
        if section == "variable":
            sentences += _variables(names, old, new)
        elif section == "secrets":
            sentences.append("a secret of the inventory (a password, a token, something in a vault) is another one")
        elif section == "kprov":
            sentences.append("kprov itself is another one: the plan was made by another version of its code")
        elif section == "authorities":
            made = all(old.get(name) == _NONE_YET for name in names)
            how = "have been made since: the plan may have been carried out" if made else "are others"
            sentences.append(f"the cluster's authorities ({', '.join(names)}) {how}")
        else:
            sentences += [f"{section}: {name} {_how(name, old, new)}" for name in names]
    return sentences


def _how(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if name not in old:
        return "is new"
    return "is another one" if name in new else "is gone"


def _variables(names: Iterable[str], old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    hosts_then, hosts_now = _hosts(old), _hosts(new)
    sentences = [f"{host} is in the inventory now, and is not in the plan" for host in hosts_now - hosts_then]
    sentences += [f"{host} is in the plan, and not in the inventory any more" for host in hosts_then - hosts_now]
    by_name: dict[str, list[str]] = {}
    for name in names:
        host, _, variable = name.partition(" ")
        if host in hosts_then and host in hosts_now:
            by_name.setdefault(variable, []).append(host)
    for variable, hosts in by_name.items():
        where = "every machine" if len(hosts) == len(hosts_now) > 1 else ", ".join(hosts)
        sentences.append(f"inventory: {variable} of {where} {_how(f'{hosts[0]} {variable}', old, new)}")
    return sorted(sentences)


def _hosts(names: Iterable[str]) -> set[str]:
    return {name.partition(" ")[0] for name in names}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _files(folder: Path, wanted: Callable[[Path], bool]) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): _digest(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and wanted(path)
    }


def _code() -> str:
    files = _files(Path(kprov.__file__).parent / "provision", lambda path: path.suffix == ".py")
    return _digest(_canonical(files).encode())


def _bundle(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    found = {
        f"the packages for Debian {release}": _digest(_canonical([package.sha256 for package in packages]).encode())
        for release, packages in manifest.packages.items()
    }
    for release, daemons in manifest.daemons.items():
        shas = [archive.sha256 for archive in daemons.archives]
        found[f"the daemons for Debian {release}"] = f"{daemons.version} {_digest(_canonical(shas).encode())}"
    return found | {f"the image {image.name}": image.sha256 for image in manifest.images}


def _authorities(state_directory: Path) -> dict[str, str]:
    present = load_certificates(state_directory)
    return {
        name: present[name].fingerprint(hashes.SHA256()).hex() if name in present else _NONE_YET for name in AUTHORITIES
    }
