"""The keys that kprov logs in with: the named one, ssh-agent's, or those in ~/.ssh."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kprov.provision.transport.errors import AuthenticationRefused
from kprov.provision.transport.target import Target

# Opens sealed keys where the inventory says nothing of its own.
PASSPHRASE = "KPROV_SSH_PASSPHRASE"  # noqa: S105 - its name

UNSEAL = (
    f"add it to ssh-agent (ssh-add), or give its passphrase: ansible_ssh_private_key_passphrase (in a vault) or "
    f"the environment variable {PASSPHRASE}"
)


def passphrase_of(target: Target) -> str | None:
    """What opens the target's sealed key, if anybody said."""
    return target.passphrase if target.passphrase is not None else os.environ.get(PASSPHRASE)


def check_files(target: Target) -> None:
    """See that named keys are there.

    Raises:
        AuthenticationRefused: one cannot be read.
    """
    for path in target.key_files:
        if not Path(path).exists():
            raise AuthenticationRefused(
                f"the key {path} of {target.name} does not exist: correct ansible_ssh_private_key_file"
            )
        if not os.access(path, os.R_OK):
            raise AuthenticationRefused(
                f"the key {path} of {target.name} may not be read by this user: correct its mode"
            )


def default_files() -> list[Path]:
    """The keys in ~/.ssh."""
    return [path for path in sorted(Path("~/.ssh").expanduser().glob("id_*")) if path.suffix != ".pub"]


def tried(target: Target) -> str:
    """Which ways in were tried, for a message."""
    ways = [f"key {path}" for path in target.key_files]
    count = _in_agent()
    ways += [f"{count} keys of ssh-agent"] if count else []
    if not target.key_files:
        ways += [f"~/.ssh/{path.name}" for path in default_files()]
    ways += ["a password"] if target.password else []
    return (
        ", ".join(ways)
        or "no key at all (there is none in ~/.ssh, none in ssh-agent, and no ansible_ssh_private_key_file)"
    )


def _in_agent() -> int:
    if not os.environ.get("SSH_AUTH_SOCK"):
        return 0
    import paramiko

    try:
        return len(paramiko.Agent().get_keys())
    except Exception:  # an agent that does not answer is none
        return 0


def sealed(target: Target) -> AuthenticationRefused:
    """What is said of a key that nobody opened."""
    if passphrase_of(target) is not None:
        return AuthenticationRefused(
            f"the passphrase given for the key {', '.join(target.key_files)} does not open it: correct "
            f"ansible_ssh_private_key_passphrase or {PASSPHRASE}"
        )
    return AuthenticationRefused(f"the key {', '.join(target.key_files)} is sealed with a passphrase: {UNSEAL}")


def unopened(target: Target) -> bool:
    """Whether a named key is sealed, and neither a passphrase nor ssh-agent opens it (as far as can be seen)."""
    import paramiko

    if _in_agent():
        return False
    for path in target.key_files:
        passphrase = passphrase_of(target)
        try:
            secret: Any = passphrase.encode() if passphrase is not None else None
            paramiko.PKey.from_path(path, secret)
        except (paramiko.PasswordRequiredException, paramiko.SSHException, TypeError, ValueError):
            return True
        except OSError:
            return False
    return False
