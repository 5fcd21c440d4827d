"""Ansible's settings: where a playbook's parts are, and how hosts are connected to where no one else says it.

They come from its configuration file and from variables of the environment, which are stronger. Source: ansible-core
2.19, `ansible-config`: which file is read, how values are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kprov.provision import documents
from kprov.provision.agent.parameters import FALSE_WORDS, TRUE_WORDS
from kprov.provision.engine.argument_strings import unquoted
from kprov.provision.playbook.ansible_options import ALIASES, VARIABLES, Key, is_followed

if TYPE_CHECKING:
    from kprov.provision.engine.session import HostSession
    from kprov.provision.inventory.model import Inventory
    from kprov.provision.playbook.playbook import Playbook

NAME = "ansible.cfg"
_LARGEST = 1 << 20
_ADVICE = "Mend it, or name another file in ANSIBLE_CONFIG"


class AnsibleCfgError(Exception):
    """The file can't be read; says which, where and why."""


@dataclass(frozen=True)
class AnsibleCfg:
    """What Ansible was told.

    Args:
        path: the configuration file; None: there is none.
        inventory: the inventory, as on the command line.
        roles_path: folders of roles.
        collections_path: folders of collections.
        remote_user: whom to log in as where neither inventory nor play says it.
        private_key_file: the SSH key where the inventory names none.
        vault_password_file: opens what is encrypted, where nothing else does.
        become: whether tasks become another user, where plays and tasks do not say it; None: it says nothing.
        become_user: whom.
        others: the settings in the file that kprov does not follow, as `section.name`.
        variables: the variables of the environment that it does not follow.
    """

    path: Path | None = None
    inventory: Path | None = None
    roles_path: tuple[Path, ...] = ()
    collections_path: tuple[Path, ...] = ()
    remote_user: str | None = None
    private_key_file: Path | None = None
    vault_password_file: Path | None = None
    become: bool | None = None
    become_user: str | None = None
    others: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def of(self, inventory: Inventory) -> AnsibleCfg:
        """What holds for an inventory: how a cluster's machines are connected to is said there, and nowhere else."""
        return replace(self, remote_user=None, private_key_file=None) if inventory.is_cluster else self

    def apply(self, book: Playbook) -> None:
        """Let plays have what they do not say themselves."""
        for play in book.plays:
            play.remote_user = play.remote_user or self.remote_user
            frame = play.frame
            play.frame = replace(
                frame,
                become=self.become if frame.become is None else frame.become,
                become_user=self.become_user if frame.become_user is None else frame.become_user,
            )

    def apply_to(self, session: HostSession) -> None:
        """Let a host that no play is for have what the inventory does not say of it."""
        said = session.host.variables
        if self.remote_user is not None and "ansible_user" not in said:
            session.host = replace(session.host, user=self.remote_user)
        if self.become is not None and "ansible_become" not in said:
            session.become = self.become


def find(folder: Path, warn: Callable[[str], None], environment: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration file that Ansible would read in a folder.

    Args:
        folder: the working folder.
        warn: told where a file is passed over because everyone may write to its folder: whoever can put a file there
            would say what is run.
        environment: names another file.
    """
    told = environment.get("ANSIBLE_CONFIG")
    places = [_at_home(told)] if told else []
    if not folder.stat().st_mode & stat.S_IWOTH:
        places.append(folder)
    elif documents.is_file(folder / NAME):
        warn(f"{folder / NAME} is not read, as everyone may write to that folder: chmod o-w {folder}")
    places += [_at_home("~/.ansible.cfg"), Path("/etc/ansible")]
    for place in places:
        path = place / NAME if documents.is_folder(place) else place
        if documents.is_file(path):
            return path
    return None


def read(path: Path | None, folder: Path, environment: Mapping[str, str] = MappingProxyType({})) -> AnsibleCfg:
    """Read what Ansible was told.

    Args:
        path: what `find` found.
        folder: the working folder, for which `{{CWD}}` stands.
        environment: its variables are stronger.

    Raises:
        AnsibleCfgError: the file can't be read, or a value can't be.
    """
    said = (
        {key: _Said(value, path.absolute().parent, str(path)) for key, value in _in_file(path).items()} if path else {}
    )
    others = [".".join(key) for key, one in said.items() if not is_followed(key, one.value)]
    variables = {name: environment[name] for name in VARIABLES if environment.get(name)}
    said |= {VARIABLES[name]: _Said(value, folder, name) for name, value in variables.items()}

    def text(name: str, section: str = "defaults") -> str | None:
        return said[section, name].value or None if (section, name) in said else None

    def paths(name: str, separator: str) -> tuple[Path, ...]:
        one = said.get(("defaults", name), _Said("", folder, ""))
        parts = one.value.replace("{{CWD}}", str(folder)).split(separator)
        return tuple(one.base / os.path.expandvars(_at_home(part.strip())) for part in parts if part.strip())

    def path_of(name: str) -> Path | None:
        return next(iter(paths(name, "\0")), None)

    inventories = paths("inventory", ",")
    if len(inventories) > 1:
        others.append("defaults.inventory (kprov takes one)")
    return AnsibleCfg(
        path,
        inventories[0] if len(inventories) == 1 else None,
        paths("roles_path", ":"),
        paths("collections_path", ":"),
        text("remote_user"),
        path_of("private_key_file"),
        path_of("vault_password_file"),
        _truth(said.get(("privilege_escalation", "become"))),
        text("become_user", "privilege_escalation"),
        tuple(sorted(others)),
        tuple(name for name, value in variables.items() if not is_followed(VARIABLES[name], value)),
    )


@dataclass(frozen=True)
class _Said:
    """A setting's value, the folder that its paths are relative to, and where it was said."""

    value: str
    base: Path
    where: str


def _in_file(path: Path) -> dict[Key, str]:
    import configparser  # imported here: most runs have no such file, and every run would wait for it

    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        parser.read_string(documents.decode(documents.read(path, _LARGEST)), str(path))
    except documents.Unreadable as error:
        raise AnsibleCfgError(f"{path} {error}. {_ADVICE}") from None
    except configparser.Error as error:
        raise AnsibleCfgError(f"{path} can't be read: {' '.join(str(error).split())}. {_ADVICE}") from None
    return {
        (section, ALIASES.get(name, name)): unquoted(value)
        for section in parser.sections()
        for name, value in parser.items(section)
    }


def _truth(said: _Said | None) -> bool | None:
    if said is None:
        return None
    word = said.value.lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise AnsibleCfgError(f"{said.where} says 'become = {said.value}', which is neither true nor false: mend it")
    return word in TRUE_WORDS


def _at_home(path: str) -> Path:
    """A path that may begin with a home; as it stands where nobody has that."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
