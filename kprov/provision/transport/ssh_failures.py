"""What SSH libraries raise, told apart and said in terms of what to do."""

from __future__ import annotations

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from kprov.provision.transport import host_keys, reasons
from kprov.provision.transport.client_keys import passphrase_of, sealed
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.guarded import GuardedSocket
from kprov.provision.transport.target import Target


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
    # sshd says in words that it has too many logins under way, where the network lets it.
    silent = guard is not None and (not guard.received or guard.began.startswith(b"Exceeded MaxStartups"))
    if silent and ("banner" in words.lower() or isinstance(error, EOFError)):
        return reasons.turned_away(target)
    if "Authentication timeout" in words:
        return reasons.stuck_login(target)
    if "transport shut down or saw EOF" in words:
        return reasons.ended(target, "in the login: MaxAuthTries, AllowUsers, PAM?")
    if isinstance(error, paramiko.BadHostKeyException):
        return host_keys.mismatch(target, error.expected_key, error.key)
    # What a passphrase that does not fit makes of a key is no key.
    misfit = target.key_files and passphrase_of(target) is not None and ("Invalid key" in words or "decrypt" in words)
    if isinstance(error, paramiko.PasswordRequiredException) or misfit:
        return sealed(target)
    if isinstance(error, paramiko.AuthenticationException) or "No authentication methods available" in words:
        return reasons.not_let_in(target)
    if isinstance(error, IncompatiblePeer) and "Incompatible version" not in words:
        return reasons.nothing_in_common(target, words)
    if "Indecipherable protocol" in words or isinstance(error, IncompatiblePeer):
        return reasons.no_server(target)
    if isinstance(error, TimeoutError) or "timed out" in words.lower():
        return reasons.silent_server(target)
    if "banner" in words.lower():
        return reasons.no_server(target)
    if isinstance(error, (OSError, EOFError)):
        return reasons.ended(target, error or type(error).__name__)
    return Unreachable(f"SSH to {target.address} failed: {error or type(error).__name__}")
