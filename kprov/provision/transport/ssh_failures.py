"""What SSH libraries raise, told apart and said in terms of what to do."""

from __future__ import annotations

from pathlib import Path

import paramiko

from kprov.provision.transport import host_keys
from kprov.provision.transport.errors import AuthenticationRefused, ConnectionLost, TimedOut, TurnedAway, Unreachable
from kprov.provision.transport.guarded import GuardedSocket
from kprov.provision.transport.target import Target

# What sshd says instead of its banner to a client that it has no place for (OpenSSH 8.5 and later, 9.8 and later).
_FAREWELLS = (b"Exceeded MaxStartups", b"Not allowed at this time")


def tried(target: Target) -> str:
    """Which ways in were tried, for the message."""
    ways = [f"key {path}" for path in target.key_files]
    try:
        keys = paramiko.Agent().get_keys()
    except Exception:
        keys = ()
    ways += [f"{len(keys)} keys of ssh-agent"] if keys else []
    if not target.key_files:
        found = [path.name for path in sorted(Path("~/.ssh").expanduser().glob("id_*")) if path.suffix != ".pub"]
        ways += [f"~/.ssh/{name}" for name in found]
    ways += ["a password"] if target.password else []
    return (
        ", ".join(ways)
        or "no key at all (there is none in ~/.ssh, none in ssh-agent, and no ansible_ssh_private_key_file)"
    )


def explain(error: BaseException, target: Target, guard: GuardedSocket | None = None) -> BaseException:
    """A library's exception in terms of what to do.

    Args:
        error: what was raised.
        target: the machine.
        guard: its socket, which may have ended the connection for a reason of its own.

    Returns:
        What to raise instead.
    """
    if isinstance(error, Unreachable) or not isinstance(error, Exception):
        return error
    if guard is not None and guard.reason is not None:
        return guard.reason
    words = str(error)
    where = f"{target.address}:{target.port}"
    if guard is not None and not guard.received and ("banner" in words.lower() or isinstance(error, EOFError)):
        return TurnedAway(
            f"{where} takes connections and closes them before it says anything: is sshd overloaded (MaxStartups), or "
            f"does something in front of it (fail2ban, a firewall, a port forwarding) turn this controller away?"
        )
    if guard is not None and (said := next((word for word in _FAREWELLS if guard.first.startswith(word)), None)):
        return TurnedAway(f"sshd on {where} turned the login away and said: {said.decode()}.")
    if "Authentication timeout" in words:
        return TimedOut(
            f"{target.address} did not answer the login of {target.user} in time: does its login wait for something "
            f"(DNS, LDAP, PAM)? See sshd's log there"
        )
    if "transport shut down or saw EOF" in words:
        return ConnectionLost(
            f"{target.address} ended the connection while {target.user} was logging in: see sshd's log there "
            f"(MaxAuthTries, AllowUsers, PAM)"
        )
    if isinstance(error, paramiko.BadHostKeyException):
        return host_keys.mismatch(target, error.expected_key, error.key)
    if isinstance(error, paramiko.PasswordRequiredException):
        return AuthenticationRefused(
            f"the key {', '.join(target.key_files)} is sealed with a passphrase: add it to ssh-agent (ssh-add)"
        )
    if isinstance(error, paramiko.AuthenticationException) or "No authentication methods available" in str(error):
        return AuthenticationRefused(
            f"{target.address} does not let {target.user} in; tried: {tried(target)}. "
            f"Put the public key into ~{target.user}/.ssh/authorized_keys there, or correct ansible_user or "
            f"ansible_ssh_private_key_file"
        )
    if "Indecipherable protocol" in words or isinstance(error, paramiko.IncompatiblePeer):
        return Unreachable(f"what answers on {where} is no SSH server: correct ansible_host or ansible_port")
    if "banner" in str(error).lower() and "timed out" not in str(error).lower():
        return Unreachable(f"what answers on {where} is no SSH server: correct ansible_host or ansible_port")
    if isinstance(error, TimeoutError) or "banner" in str(error).lower():
        return TimedOut(f"{where} is open, but no SSH server answered in time ({error or 'timeout'})")
    if isinstance(error, (OSError, EOFError)):
        return ConnectionLost(
            f"{target.address} ended the connection while it came about ({error or type(error).__name__}): see "
            f"sshd's log there"
        )
    return Unreachable(f"SSH to {target.address} failed: {error or type(error).__name__}")
