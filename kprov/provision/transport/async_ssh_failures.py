"""What asyncssh raises, told apart."""

from __future__ import annotations

import asyncio

import asyncssh

from kprov.provision.transport import reasons
from kprov.provision.transport.async_ssh_keys import Known
from kprov.provision.transport.client_keys import sealed
from kprov.provision.transport.errors import HostKeyMismatch, Unreachable
from kprov.provision.transport.host_keys import where_known
from kprov.provision.transport.target import Target


def explain(error: BaseException, target: Target, known: Known | None) -> BaseException:
    """A library's exception in terms of what to do.

    Args:
        error: what was raised.
        target: the machine.
        known: what was known of its keys, and what was found.

    Returns:
        What to raise instead.
    """
    if isinstance(error, Unreachable) or not isinstance(error, Exception):
        return error
    if known is not None and known.reason is not None:
        return known.reason
    words = str(error)
    if isinstance(error, asyncssh.KeyEncryptionError) or "Passphrase must be" in words or "assphrase" in words:
        return sealed(target)
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or "No matching host key" in words:
        return HostKeyMismatch(
            f"{target.name} ({target.address}) shows a host key that cannot be verified ({words}). Someone may be in "
            f"between. If the machine was made anew, correct {where_known(target)}"
        )
    if isinstance(error, asyncssh.KeyExchangeFailed) or words.startswith("No matching"):
        return reasons.nothing_in_common(target, words)
    if isinstance(error, asyncssh.PermissionDenied):
        return reasons.not_let_in(target)
    if isinstance(error, asyncssh.ChannelOpenError) and target.jump is not None:
        return reasons.jump_cannot_reach(target, error.reason)
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)) or "imeout" in words:
        return reasons.stuck_login(target)
    if isinstance(error, (asyncssh.ProtocolNotSupported, asyncssh.ProtocolError)) or "version" in words:
        return reasons.no_server(target, f" ({words})")
    if isinstance(error, asyncssh.ConnectionLost | ConnectionError) and "onnection lost" in words:
        return reasons.turned_away(target)
    if isinstance(error, asyncssh.DisconnectError | OSError | EOFError):
        return reasons.ended(target, words or type(error).__name__)
    return Unreachable(f"SSH to {target.address} failed: {words or type(error).__name__}")
