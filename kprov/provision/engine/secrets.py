"""Secrets are known here so that they appear nowhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Mapping
from typing import Any

MASK = "********"
CENSORED = "censored: the task says no_log"

# Shorter values would mask ordinary words.
SHORTEST = 4

SECRET_NAME = re.compile(r"(password|passwd|passphrase|secret|token|_pass)$|^(password|token|secret)_", re.IGNORECASE)

# What names like these mean is no secret itself: a file's place, a lifetime, a number.
_HARMLESS_NAME = re.compile(
    r"(file|path|dir|directory|name|ttl|hours|days|seconds|length|enabled|user)$", re.IGNORECASE
)

_PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----.*?(-----END \1PRIVATE KEY-----|\Z)", re.DOTALL)


class Secrets:
    """Values that must never be shown, logged or journalled."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: object) -> None:
        """Mask a value from now on, in every form that it may appear in (lines of it, JSON, base64)."""
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if not isinstance(value, str) or len(value.strip()) < SHORTEST:
            return
        forms = {value, value.strip(), json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode().rstrip("=")}
        if "\n" in value:
            forms |= {
                line.strip() for line in value.splitlines() if len(line.strip()) >= 16 and not line.startswith("-----")
            }
        forms |= {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in forms for ascii_only in (True, False)}
        with self._lock:
            if forms <= self._values:
                return
            self._values |= forms
            self._pattern = None  # made when something is masked: a vault may add hundreds

    def add_from(self, variables: Mapping[str, Any]) -> None:
        """Mask the values of variables that are named like secrets, at any depth."""
        for name, value in variables.items():
            if isinstance(value, Mapping):
                self.add_from(value)
            elif (
                isinstance(value, str)
                and SECRET_NAME.search(str(name))
                and not _HARMLESS_NAME.search(str(name))
                and "{{" not in value
            ):
                self.add(value)

    def digest(self, salt: bytes) -> str:
        """What tells whether two runs know the same secrets, and is as hard to guess from as a password's hash."""
        with self._lock:
            known = "\0".join(sorted(self._values)).encode()
        return hashlib.scrypt(known, salt=salt, n=1 << 14, r=8, p=1, dklen=16).hex()

    def mask(self, text: str) -> str:
        """The text without secrets."""
        if "PRIVATE KEY-----" in text:
            text = _PRIVATE_KEY.sub(r"-----BEGIN \1PRIVATE KEY----- " + MASK, text)
        if not self._values or not text:
            return text
        return self._forms().sub(MASK, text)

    def _forms(self) -> re.Pattern[str]:
        pattern = self._pattern
        if pattern is None:
            with self._lock:
                forms = sorted(self._values, key=len, reverse=True)
                pattern = self._pattern = re.compile("|".join(map(re.escape, forms)))
        return pattern

    def harmless(self, line: bytes) -> bool:
        """Whether a JSON text holds nothing to be masked: secrets are known in the form that they have there, too."""
        return b"PRIVATE KEY-----" not in line and (not self._values or self._forms().search(line.decode()) is None)

    def mask_all(self, value: Any) -> Any:
        """The value with every text in it masked."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, Mapping):
            return {self.mask(str(key)): self.mask_all(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.mask_all(item) for item in value]
        return value
