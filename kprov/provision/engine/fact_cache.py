"""Facts of machines, kept on the controller with their age: what runs know of machines that they do not connect to."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kprov.provision.engine.secrets import MASK, Secrets

# A file that is larger holds no facts.
_LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CachedFacts:
    """A machine's facts, and how old they are in seconds."""

    facts: dict[str, Any]
    age: float


# Variables of an environment that may hold a secret: of a machine's nobody has told kprov which do.
_PRIVATE = re.compile("pass|secret|token|key|credential|auth", re.IGNORECASE)


def _without_secrets(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    environment = facts.get("ansible_env")
    if not isinstance(environment, Mapping):
        return facts
    return {
        **facts,
        "ansible_env": {name: MASK if _PRIVATE.search(name) else environment[name] for name in environment},
    }


class FactCache:
    """A file a machine, below the state directory, for its owner's eyes only; secrets in it are masked.

    Args:
        folder: the folder; made when the first facts are kept.
        secrets: masks what is kept.
        address_of: where a machine of this name is reached: what was seen elsewhere is another machine's.
    """

    def __init__(self, folder: Path, secrets: Secrets, address_of: Callable[[str], str]) -> None:
        self._folder = folder
        self._secrets = secrets
        self._address_of = address_of

    def _path(self, host: str) -> Path:
        return self._folder / f"{quote(host, safe='@+,=')}.json"

    def keep(self, host: str, facts: Mapping[str, Any]) -> None:
        """Keep a machine's facts. A full or read-only disk is no failure of the run: they are fetched again then."""
        kept = {"time": time.time(), "address": self._address_of(host), "facts": _without_secrets(facts)}
        text = self._secrets.mask(json.dumps(kept, separators=(",", ":")))
        path = self._path(host)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(descriptor, "w") as stream:
                    stream.write(text)
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def of(self, host: str) -> CachedFacts | None:
        """A machine's facts; None when there are none, or what is there is damaged or might be another's."""
        try:
            descriptor = os.open(self._path(host), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(descriptor, encoding="utf-8") as stream:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or status.st_mode & 0o022 or status.st_size > _LARGEST:
                return None
            try:
                found = json.load(stream)
                facts, age = found["facts"], time.time() - float(found["time"])
                elsewhere = found["address"] != self._address_of(host)
            except (ValueError, TypeError, KeyError, RecursionError, OSError):
                return None
        # From the future: the controller's clock was set back, and no age can be told.
        return CachedFacts(facts, age) if isinstance(facts, dict) and age >= -1 and not elsewhere else None
