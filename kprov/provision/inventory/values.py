"""What a value of a setting may be: each function takes what YAML gave and returns it checked.

Each raises BadValue with what is wrong and, where there is one, the right thing to write.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import struct
from collections.abc import Callable
from typing import Any

from kprov.provision.inventory.timeouts import Timeouts, seconds

Check = Callable[[Any], Any]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


class BadValue(ValueError):
    """A value that a setting can't have."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        self.suggestion = suggestion
        super().__init__(message)


def _kind(value: Any) -> str:
    names = {bool: "true/false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return "empty" if value is None else names.get(type(value), type(value).__name__)


def text(value: Any) -> str:
    """Any text that is not empty."""
    if isinstance(value, str) and value.strip():
        return value
    quote = f'write it in quotes: "{value}"' if isinstance(value, (int, float, bool)) else None
    raise BadValue(f"must be text, not {_kind(value)}" if value != "" else "must not be empty", quote)


def boolean(value: Any) -> bool:
    """true or false; also the words that Ansible takes."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "yes", "on"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "no", "off"):
        return False
    raise BadValue(f"must be true or false, not {value!r}")


def whole(low: int, high: int) -> Check:
    """A whole number between ``low`` and ``high``; digits in quotes are taken, as Ansible does."""

    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BadValue(f"must be a whole number, not {_kind(value)} ({value!r})")
        if not low <= value <= high:
            raise BadValue(f"must be between {low} and {high}, not {value}")
        return value

    return check


port = whole(1, 65535)


def duration(value: Any) -> float:
    """A duration, in seconds: 90, 90s, 5m, 1h30m."""
    try:
        return seconds(value)
    except ValueError as error:
        raise BadValue(str(error)) from None


def duration_or_none(value: Any) -> float:
    """A duration, or 0 for none."""
    return 0.0 if str(value).strip() in ("0", "0s", "0.0") else duration(value)


def timeouts(value: Any) -> Timeouts:
    """A mapping of kinds of timeouts to durations."""
    if isinstance(value, Timeouts):
        return value
    if not isinstance(value, dict):
        raise BadValue(f"must be a mapping of kinds to durations, not {_kind(value)}", "{task: 10m, nodes: 5m}")
    try:
        return Timeouts().changed(value)
    except ValueError as error:
        raise BadValue(str(error)) from None


def one_of(*choices: str) -> Check:
    """One of a few words."""

    def check(value: Any) -> str:
        if value in choices:
            return str(value)
        raise BadValue(f"must be {' or '.join(choices)}, not {value!r}")

    return check


# What Ansible's inventories write for the ways that kprov has.
plain_connection = one_of("ssh", "smart", "paramiko", "paramiko_ssh", "local")


def label(value: Any) -> str:
    """One DNS label (RFC 1123): what a cluster's name must be, as it becomes part of names."""
    word = text(value)
    if len(word) > 63 or not _LABEL.fullmatch(word):
        raise BadValue(
            f"{word!r} must be at most 63 lower-case letters, digits and hyphens, with no hyphen at either end",
            _lower_case_hint(word),
        )
    return word


def domain(value: Any) -> str:
    """A DNS name (RFC 1123 subdomain): labels of lower-case letters, digits and hyphens, joined by dots."""
    word = text(value)
    if len(word) > 253 or not all(len(part) <= 63 and _LABEL.fullmatch(part) for part in word.split(".")):
        raise BadValue(
            f"{word!r} is not a DNS name: labels of lower-case letters, digits and hyphens, joined by dots",
            _lower_case_hint(word),
        )
    return word


def _lower_case_hint(word: str) -> str | None:
    fixed = re.sub(r"[^-a-z0-9.]", "-", word.lower().rstrip("."))
    if fixed != word and all(_LABEL.fullmatch(part) for part in fixed.split(".")):
        return f"write {fixed}"
    return None


def address(value: Any) -> str:
    """An IPv4 or IPv6 address."""
    word = text(value)
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        raise BadValue(f"{word!r} is not an IP address", _octet_hint(word)) from None


def ipv4_address(value: Any) -> str:
    """An IPv4 address."""
    word = text(value)
    try:
        return str(ipaddress.IPv4Address(word))
    except ValueError:
        raise BadValue(f"{word!r} is not an IPv4 address", _octet_hint(word)) from None


def _octet_hint(word: str) -> str | None:
    parts = word.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return "each of the four numbers must be between 0 and 255, without leading zeros"
    return None


def ssh_address(value: Any) -> str:
    """Where SSH connects to: an address or a name."""
    word = text(value)
    if re.fullmatch(r"[0-9.]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%\w+)?", word):
        return address(word)
    if len(word) > 253 or not re.fullmatch(r"[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?", word):
        raise BadValue(f"{word!r} is neither an IP address nor a host name")
    return word


def network(value: Any) -> str:
    """An IPv4 network as address/prefix, with no bits set after the prefix."""
    word = text(value)
    if "/" not in word:
        raise BadValue(f"{word!r} has no prefix length", f"write it as {word}/16 or the like")
    try:
        return str(ipaddress.IPv4Network(word))
    except ValueError as error:
        try:
            loose = ipaddress.IPv4Network(word, strict=False)
        except ValueError:
            raise BadValue(f"{word!r} is not an IPv4 network: {error}") from None
        raise BadValue(f"{word!r} has bits set after its prefix", f"did you mean {loose}?") from None


def names_or_addresses(value: Any) -> tuple[str, ...]:
    """A list of DNS names and IP addresses, for a certificate."""
    if not isinstance(value, list):
        raise BadValue(f"must be a list, not {_kind(value)}", f"write it as [{value}]" if value else None)
    checked = []
    for item in value:
        try:
            checked.append(address(item))
        except BadValue:
            checked.append(domain(item[2:] if isinstance(item, str) and item.startswith("*.") else item))
            if item.startswith("*."):
                checked[-1] = item
    return tuple(dict.fromkeys(checked))


def port_range(value: Any) -> str:
    """Two ports joined by a hyphen."""
    word = text(value)
    low, dash, high = word.partition("-")
    if not dash or not low.isdigit() or not high.isdigit() or not 1 <= int(low) <= int(high) <= 65535:
        raise BadValue(f"{word!r} is not a range of ports", "write it as 30000-32767")
    return f"{int(low)}-{int(high)}"


def host_key(value: Any) -> str:
    """A host key as ``ssh-keyscan`` and known_hosts write it: type, then base64."""
    words = text(value).split()
    if len(words) >= 3 and words[1] in _HOST_KEY_TYPES:
        raise BadValue("begins with the host's name", "leave the first word out: type and key only")
    if len(words) < 2 or words[0] not in _HOST_KEY_TYPES:
        raise BadValue(
            f"is not a host key: it must begin with one of {', '.join(_HOST_KEY_TYPES)}",
            "copy it from the machine's /etc/ssh/ssh_host_ed25519_key.pub",
        )
    try:
        blob = base64.b64decode(words[1], validate=True)
        (length,) = struct.unpack_from(">I", blob)
        inner = blob[4 : 4 + length].decode("ascii")
    except (ValueError, struct.error):  # of base64 and ASCII alike
        raise BadValue(
            "is a host key cut short or mistyped", "copy it from the machine's /etc/ssh/ssh_host_ed25519_key.pub"
        ) from None
    if inner != words[0] or len(blob) < 4 + length + 36:
        raise BadValue(
            f"says {words[0]} but the key in it is not one of that type",
            "copy it from the machine's /etc/ssh/ssh_host_ed25519_key.pub",
        )
    return f"{words[0]} {words[1]}"


def mapping_of_text(value: Any) -> dict[str, str]:
    """A mapping from text to text, like labels."""
    if not isinstance(value, dict):
        raise BadValue(f"must be a mapping, not {_kind(value)}")
    wrong = [key for key, item in value.items() if not isinstance(key, str) or not isinstance(item, str)]
    if wrong:
        raise BadValue(f"the value of {wrong[0]} must be text", f'write {wrong[0]}: "{value[wrong[0]]}"')
    return value


def list_of_text(value: Any) -> list[str]:
    """A list of words."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadValue(f"must be a list of text, not {_kind(value)}")
    return value


def anything(value: Any) -> Any:
    """No check: what it means is decided elsewhere."""
    return value
