"""Understands what inventories tell ssh: the jump host, and what kprov does in its own way."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

# What only makes the ssh program faster or more talkative: kprov keeps one connection a host anyway.
_HARMLESS = {
    "controlmaster",
    "controlpath",
    "controlpersist",
    "serveraliveinterval",
    "serveralivecountmax",
    "tcpkeepalive",
    "compression",
    "loglevel",
    "connecttimeout",
    "connectionattempts",
    "batchmode",
    "preferredauthentications",
    "identitiesonly",
    "addkeystoagent",
}
_HOST_KEYS = {"stricthostkeychecking", "userknownhostsfile", "globalknownhostsfile", "checkhostip"}

# As much as Linux takes for one argument of a program; to split more takes seconds.
_LONGEST = 128 * 1024


@dataclass(frozen=True, slots=True)
class SshArguments:
    """What was found in a line of arguments."""

    jump_host: str | None = None
    wants_any_host_key: bool = False
    """Asks ssh not to check host keys."""
    unknown: tuple[str, ...] = ()
    """What kprov does not understand, as it was written."""


def parse(text: str) -> SshArguments:
    """Read a value of ``ansible_ssh_common_args``."""
    if len(text) > _LONGEST:
        return SshArguments(unknown=(f"{text[:60]} ...",))
    try:
        words = shlex.split(text)
    except ValueError:
        return SshArguments(unknown=(text,))
    jump: str | None = None
    any_key = False
    unknown: list[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("-J"):
            jump = word[2:] or (words.pop(0) if words else None)
        elif word.startswith("-o"):
            option = word[2:].strip() or (words.pop(0) if words else "")
            name, _, value = option.replace(" ", "=", 1).partition("=") if "=" not in option else option.partition("=")
            name, value = name.strip().lower(), value.strip()
            if name == "proxyjump":
                jump = value
            elif name == "proxycommand":
                jump = _jump_of(value)
                unknown += [] if jump or value.lower() == "none" else [f"-o {option}"]
            elif name in _HOST_KEYS:
                any_key = any_key or (name == "stricthostkeychecking" and value.lower() in ("no", "off"))
            elif name not in _HARMLESS:
                unknown.append(f"-o {option}")
        elif word not in ("-A", "-a", "-C", "-q", "-T", "-v", "-4"):
            unknown.append(word)
    return SshArguments(jump or None, any_key, tuple(unknown))


def _jump_of(command: str) -> str | None:
    """The jump host of ``ssh -W %h:%p [-q] [-p PORT] [user@]host``, the way of before ProxyJump."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    if not words or words[0].rpartition("/")[2] != "ssh" or not any(word.startswith("-W") for word in words):
        return None
    host, port, user = None, None, None
    rest = iter(words[1:])
    for word in rest:
        if word in ("-W", "-i", "-o", "-F"):
            next(rest, None)
        elif word == "-p":
            port = next(rest, None)
        elif word == "-l":
            user = next(rest, None)
        elif not word.startswith("-"):
            host = word
    if host is None:
        return None
    return f"{f'{user}@' if user and '@' not in host else ''}{host}{f':{port}' if port else ''}"
