"""What the ssh program says on its standard error, told apart."""

from __future__ import annotations

import re
from collections.abc import Callable

from kprov.provision.transport import host_keys, reasons
from kprov.provision.transport.client_keys import sealed, unopened
from kprov.provision.transport.errors import HostKeyMismatch, HostKeyUnknown, Unreachable
from kprov.provision.transport.known_hosts import known_name
from kprov.provision.transport.target import Target


def _mismatch(target: Target, said: str) -> Unreachable:
    found = re.search(r"fingerprint for the (\S+) key sent by the remote host is\s+(SHA256:\S+?)\.?\s", said + " ")
    shown = f"{found[1]} {found[2]}" if found else "another one"
    expected = ""
    if target.pinned_key:
        expected = f"expected {host_keys.fingerprint(host_keys.parse_pinned(target.pinned_key, target.name))}, "
    return HostKeyMismatch(
        f"{target.name} ({target.address}) has another host key than the known one: {expected}found {shown}. Someone "
        f"may be in between. If the machine was made anew, correct {host_keys.where_known(target)}"
    )


def _unknown(target: Target, said: str) -> Unreachable:
    if target.pinned_key:  # it has keys, and none is of the pinned one's kind
        return _mismatch(target, said)
    found = re.search(r"No (\S+) host key is known", said)
    return HostKeyUnknown(
        f"the host key of {target.name} ({known_name(target.address, target.port)}) is not known"
        f"{': it is of kind ' + found[1] if found else ''}. See it by ssh-keyscan -p {target.port} {target.address}, "
        f"compare it on the machine (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then pin it in the inventory "
        f"(kprov_host_key), connect once by ssh, or run with --accept-new-host-keys"
    )


def _line(said: str, part: str) -> str:
    """The line that has a part; without one the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if part in line), lines[-1] if lines else "without a word")


def _end_of(said: str, part: str) -> str:
    return _line(said, part).split(": ")[-1]


# The first that fits. What a jump host says of the machine behind it holds words of those below.
_SAYINGS: tuple[tuple[str, Callable[[Target, str], Unreachable]], ...] = (
    (
        r"stdio forwarding failed|channel \d+: open failed",
        lambda target, said: reasons.jump_cannot_reach(target, _end_of(said, "open failed")),
    ),
    ("REVOKED HOST KEY|marked as revoked", _mismatch),
    ("HOST IDENTIFICATION HAS CHANGED|differs from the key for the IP", _mismatch),
    ("host key is known for|Host key verification failed", _unknown),
    ("Could not resolve hostname", lambda target, said: reasons.no_address(target, _end_of(said, "resolve"))),
    ("Connection refused", lambda target, said: reasons.refused(target)),
    ("timed out during banner exchange", lambda target, said: reasons.silent_server(target)),
    ("connect to .* timed out", lambda target, said: reasons.no_answer(target)),
    ("connect to ", lambda target, said: reasons.no_way(target, _end_of(said, "connect to"))),
    ("incorrect passphrase|passphrase is required", lambda target, said: sealed(target)),
    (
        "Permission denied|Too many authentication failures|No more authentication",
        # In a run without a terminal ssh passes over sealed keys in silence.
        lambda target, said: sealed(target) if unopened(target) else reasons.not_let_in(target),
    ),
    (
        "no matching .* found|Unable to negotiate",
        lambda target, said: reasons.nothing_in_common(target, _line(said, "no matching")),
    ),
    (
        "invalid format|invalid characters|protocol version|Bad packet length|banner line|message authentication code",
        lambda target, said: reasons.no_server(target, f" ({_end_of(said, 'exchange')})"),
    ),
    (
        "kex_exchange_identification: (Connection closed|read: Connection reset)",
        lambda target, said: reasons.turned_away(target),
    ),
    ("[Tt]imed out|Timeout|not responding", lambda target, said: reasons.stuck_login(target)),
    ("Connection (closed|reset)|Broken pipe", lambda target, said: reasons.ended(target, _line(said, "Connection "))),
)


def explain(said: str, target: Target) -> Unreachable:
    """What ssh means.

    Args:
        said: its standard error.
        target: where it was to go.
    """
    if target.jump is not None and "UNKNOWN port" in said:
        return reasons.jump_cannot_reach(target, "it closed the channel")
    for words, reason in _SAYINGS:
        if re.search(words, said):
            return reason(target, said)
    return Unreachable(f"ssh to {target.address} failed: {_line(said, 'ssh:')}")
