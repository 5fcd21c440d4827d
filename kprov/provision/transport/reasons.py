"""Why a machine could not be reached: the same words, whichever transport found it out."""

from __future__ import annotations

from kprov.provision.transport.client_keys import tried
from kprov.provision.transport.errors import (
    AuthenticationRefused,
    ConnectionLost,
    NameNotResolved,
    Refused,
    TimedOut,
    TurnedAway,
    Unreachable,
)
from kprov.provision.transport.target import Target


def _where(target: Target) -> str:
    return f"{target.address}:{target.port}"


def no_address(target: Target, detail: object) -> NameNotResolved:
    """The name has none."""
    return NameNotResolved(
        f"the name {target.address} of {target.name} has no address ({detail}): correct ansible_host"
    )


def refused(target: Target) -> Refused:
    """Nothing listens."""
    return Refused(f"{_where(target)} refuses connections: is sshd running there, and is the port right?")


def no_answer(target: Target) -> TimedOut:
    """TCP did not come about."""
    return TimedOut(
        f"{_where(target)} did not answer within {target.connect_timeout:g} s (timeout connect): is the machine up, "
        f"and does a firewall let SSH through?"
    )


def no_way(target: Target, detail: object) -> Unreachable:
    """There is no route, or the like."""
    return Unreachable(f"{_where(target)} cannot be reached: {detail}: is the machine up, and is the address right?")


def silent_server(target: Target) -> TimedOut:
    """Something listens and says nothing."""
    return TimedOut(
        f"{_where(target)} is open, but no SSH server answered within {target.login_timeout:g} s (timeout login)"
    )


def stuck_login(target: Target) -> TimedOut:
    """An SSH server answered, and no more."""
    return TimedOut(
        f"the SSH server on {_where(target)} did not come to an end with the login of {target.user} within "
        f"{target.login_timeout:g} s (timeout login): is the machine overloaded, or does its login wait for something "
        f"(DNS, LDAP)?"
    )


def no_server(target: Target, detail: str = "") -> Unreachable:
    """Something else answers."""
    return Unreachable(
        f"what answers on {_where(target)} is no SSH server{detail}: correct ansible_host or ansible_port"
    )


def turned_away(target: Target) -> TurnedAway:
    """The connection was closed before a word was said."""
    return TurnedAway(
        f"{_where(target)} takes connections and closes them before it says anything: is sshd overloaded "
        f"(MaxStartups), or does something in front of it (fail2ban, a firewall, a port forwarding) turn this "
        f"controller away?"
    )


def ended(target: Target, detail: object) -> ConnectionLost:
    """The connection was closed on the way."""
    return ConnectionLost(f"{target.address} ended the connection while it came about ({detail}): see sshd's log there")


def not_let_in(target: Target) -> AuthenticationRefused:
    """No key fits."""
    return AuthenticationRefused(
        f"{target.address} does not let {target.user} in; tried: {tried(target)}. Put the public key into "
        f"~{target.user}/.ssh/authorized_keys there, or correct ansible_user or ansible_ssh_private_key_file"
    )


def jump_cannot_reach(target: Target, detail: object) -> Unreachable:
    """The jump host answered, and what is behind it did not."""
    jump = target.jump.name if target.jump is not None else "of ssh_config"
    return Unreachable(
        f"jump host {jump} cannot reach {_where(target)} ({detail}): is the machine up, and does sshd on the jump host "
        f"allow AllowTcpForwarding?"
    )


def nothing_in_common(target: Target, detail: object) -> Unreachable:
    """Two SSH programs of different times."""
    return Unreachable(
        f"the SSH server on {_where(target)} and this transport ({target.transport}) have no algorithm in common "
        f"({detail}): set kprov_transport: openssh, or allow more on the machine (Ciphers, MACs, KexAlgorithms, "
        f"HostKeyAlgorithms in sshd_config)"
    )
