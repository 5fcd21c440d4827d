"""Ansible's configuration file: where a playbook's parts are, and how hosts are connected to where no one else says it.

Source: ansible-core 2.19, `ansible-config` and its base.yml: which file is read, how its values are.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.provision import documents
from kprov.provision.agent.parameters import FALSE_WORDS, TRUE_WORDS
from kprov.provision.engine.argument_strings import unquoted
from kprov.provision.inventory import ssh_arguments

if TYPE_CHECKING:
    from kprov.provision.playbook.playbook import Playbook

NAME = "ansible.cfg"
_LARGEST = 1 << 20
_ADVICE = "Mend it, or name another file in ANSIBLE_CONFIG"

_FOLLOWED = {
    *(("defaults", name) for name in ("inventory", "roles_path", "collections_path", "remote_user")),
    *(("defaults", name) for name in ("private_key_file", "vault_password_file")),
    *(("privilege_escalation", name) for name in ("become", "become_user")),
}
_ALIASES = {"collections_paths": "collections_path"}

# What concerns Ansible's own speed, files and looks: a run does the same without it.
_OF_NO_CONCERN = frozenset(
    {
        *("action_warnings", "allow_world_readable_tmpfiles", "bin_ansible_callbacks", "callback_enabled"),
        *("callback_whitelist", "callbacks_enabled", "check_mode_markers", "command_warnings", "deprecation_warnings"),
        *("display_args_to_stdout", "display_failed_stderr", "display_ok_hosts", "display_skipped_hosts"),
        *("duplicate_dict_key", "fact_caching", "fact_caching_connection", "fact_caching_prefix"),
        *("fact_caching_timeout", "force_color", "forks", "internal_poll_interval", "local_tmp"),
        *("force_valid_group_names", "pipelining"),
        *("localhost_warning", "log_path", "nocolor", "nocows", "poll_interval", "remote_tmp", "result_format"),
        *("retry_files_enabled", "retry_files_save_path", "show_custom_stats", "show_task_path_on_failure"),
        *("stdout_callback", "strategy", "system_warnings", "timeout", "verbosity", "callback_result_format"),
    }
)
_SECTIONS_OF_NO_CONCERN = frozenset({"colors", "galaxy", "persistent_connection", "paramiko_connection"})
_SPEED_OF_SSH = frozenset(
    {"control_path", "control_path_dir", "pipelining", "retries", "scp_if_ssh", "sftp_batch_mode", "transfer_method"}
)

# What it is where nothing is said anyway.
_AS_ALWAYS = {
    ("defaults", "gathering"): ("implicit", "smart"),
    ("defaults", "hash_behaviour"): ("replace",),
    ("defaults", "host_key_checking"): TRUE_WORDS,
    ("defaults", "interpreter_python"): ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent"),
    ("defaults", "transport"): ("ssh", "smart"),
    ("privilege_escalation", "become_method"): ("sudo",),
    ("privilege_escalation", "become_ask_pass"): FALSE_WORDS,
}


class AnsibleCfgError(Exception):
    """The file can't be read; says which, where and why."""


@dataclass(frozen=True)
class AnsibleCfg:
    """What a configuration file says.

    Args:
        path: the file; None: there is none.
        inventory: the inventory, as on the command line.
        roles_path: folders of roles.
        collections_path: folders of collections.
        remote_user: whom to log in as where neither inventory nor play says it.
        private_key_file: the SSH key where the inventory names none.
        vault_password_file: opens what is encrypted, where nothing else does.
        become: whether tasks become another user, where plays and tasks do not say it; None: it says nothing.
        become_user: whom.
        others: the settings in it that kprov does not follow, as `section.name`.
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
    others: tuple[str, ...] = field(default=())

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


def read(path: Path | None, folder: Path) -> AnsibleCfg:
    """Read a configuration file.

    Args:
        path: what `find` found.
        folder: the working folder, for which `{{CWD}}` stands.

    Raises:
        AnsibleCfgError: it is none.
    """
    if path is None:
        return AnsibleCfg()
    import configparser  # imported here: most runs have no such file, and every run would wait for it

    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        parser.read_string(documents.decode(documents.read(path, _LARGEST)), str(path))
    except documents.Unreadable as error:
        raise AnsibleCfgError(f"{path} {error}. {_ADVICE}") from None
    except configparser.Error as error:
        raise AnsibleCfgError(f"{path} can't be read: {' '.join(str(error).split())}. {_ADVICE}") from None
    said = {
        (section, _ALIASES.get(name, name)): unquoted(value)
        for section in parser.sections()
        for name, value in parser.items(section)
    }
    base = path.absolute().parent

    def paths(name: str, separator: str) -> tuple[Path, ...]:
        parts = said.get(("defaults", name), "").replace("{{CWD}}", str(folder)).split(separator)
        return tuple(base / os.path.expandvars(_at_home(part.strip())) for part in parts if part.strip())

    inventories = paths("inventory", ",")
    others = [".".join(key) for key, value in said.items() if not _is_followed(key, value)]
    if len(inventories) > 1:
        others.append("defaults.inventory (kprov takes one)")
    return AnsibleCfg(
        path,
        inventories[0] if len(inventories) == 1 else None,
        paths("roles_path", ":"),
        paths("collections_path", ":"),
        said.get(("defaults", "remote_user")) or None,
        next(iter(paths("private_key_file", "\0")), None),
        next(iter(paths("vault_password_file", "\0")), None),
        _truth(path, said.get(("privilege_escalation", "become"))),
        said.get(("privilege_escalation", "become_user")) or None,
        tuple(sorted(others)),
    )


def _truth(path: Path, value: str | None) -> bool | None:
    word = (value or "").lower()
    if value is not None and word not in TRUE_WORDS | FALSE_WORDS:
        raise AnsibleCfgError(f"{path} says 'become = {value}', which is neither true nor false: mend it")
    return None if value is None else word in TRUE_WORDS


def _at_home(path: str) -> Path:
    """A path that may begin with a home; as it stands where nobody has that."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _is_followed(key: tuple[str, str], value: str) -> bool:
    """Whether a run is as this setting wants it."""
    section, name = key
    if section in _SECTIONS_OF_NO_CONCERN or value.lower() in _AS_ALWAYS.get(key, ()):
        return True
    if section == "ssh_connection":
        return name in _SPEED_OF_SSH or (
            name == "ssh_args" and ssh_arguments.parse(value) == ssh_arguments.SshArguments()
        )
    return key in _FOLLOWED or (section == "defaults" and name in _OF_NO_CONCERN)
