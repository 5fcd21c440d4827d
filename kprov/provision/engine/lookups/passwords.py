"""password: one that is made the first time, and kept in a file of the controller."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kprov.provision import atomic
from kprov.provision.engine.lookups.context import LookupContext, LookupProblem, split, texts

_PASSWORD_SETS = {"ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "hexdigits", "punctuation"}


def password(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    """The password of each file."""
    found = []
    for term in texts(terms):
        name, _, rest = term.partition(" ")
        given = {**dict(pair.split("=", 1) for pair in rest.split() if "=" in pair), **options}
        unknown = set(given) - {"length", "chars"}
        if unknown:
            raise LookupProblem(f"kprov's lookup password takes length and chars, not {', '.join(sorted(unknown))}")
        found.append(_kept_password(name, given))
    return found


def _kept_password(name: str, given: Mapping[str, Any]) -> str:
    path = Path(name).expanduser()
    if name != "/dev/null" and path.exists():
        return _read(path)
    wanted = split(given.get("chars"), ",") or ["ascii_letters", "digits", ".,:-_"]
    alphabet = "".join(getattr(string, word) if word in _PASSWORD_SETS else word for word in wanted)
    password = "".join(secrets.choice(alphabet) for _ in range(int(given.get("length", 20))))
    if name != "/dev/null":
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            atomic.write(path, password + "\n", mode=atomic.PRIVATE, exclusive=True)
        except FileExistsError:  # another host's task, or another run, made it at the same moment
            return _read(path)
    return password


def _read(path: Path) -> str:
    return path.read_text().rstrip("\n").split(" salt=")[0]
