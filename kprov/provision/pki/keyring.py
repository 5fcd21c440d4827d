"""The keys that Secrets are sealed with in etcd: made once a cluster, kept by the controller, mode 0600.

No API server may write with a key that another one can't read. So a key is first given to all of them to read with;
only then do they write with it; and it goes only when nothing is sealed with it any more. The keyring says how far that
is, and every step is compatible with the one before it.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.files import write_private

IDENTITY = "identity"
PROVIDER = "aescbc"
_SIZE = 32
_FILE = "pki/encryption-keys.json"
_KIND = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its name."""

    name: str
    secret: str = field(repr=False)
    """In base64."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a cluster.

    Attributes:
        keys: those that every API server can read with.
        writes: the name of the one that they write with; "identity" while a cluster is switched to its first key.
        retired: those that nothing is sealed with any more, but in old snapshots of etcd.
    """

    keys: tuple[Key, ...]
    writes: str
    retired: tuple[Key, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether no change of keys is under way."""
        return len(self.keys) == 1 and self.writes == self.keys[0].name

    @property
    def newest(self) -> Key:
        """The key that was made last."""
        return self.keys[-1]

    def configuration(self) -> dict[str, Any]:
        """What API servers are given (upstream's EncryptionConfiguration): the first provider writes, all read."""
        first = [key for key in self.keys if key.name == self.writes]
        others = [key for key in self.keys if key.name != self.writes]
        listed = [{"name": key.name, "secret": key.secret} for key in (*first, *others)]
        providers: list[dict[str, Any]] = [{PROVIDER: {"keys": listed}}, {IDENTITY: {}}]
        if self.writes == IDENTITY:
            providers.reverse()
        return {**_KIND, "resources": [{"resources": ["secrets"], "providers": providers}]}

    def with_new_key(self) -> Keyring:
        """One more key to read with."""
        return replace(self, keys=(*self.keys, new_key(self)))

    def writing_with_newest(self) -> Keyring:
        """The newest key is written with."""
        return replace(self, writes=self.newest.name)

    def without_old_keys(self) -> Keyring:
        """Only the key that is written with is left; the others are remembered."""
        old = tuple(key for key in self.keys if key.name != self.writes)
        kept = tuple(key for key in self.keys if key.name == self.writes)
        return replace(self, keys=kept, retired=(*self.retired, *old))

    def recalling(self, names: set[str]) -> Keyring:
        """Retired keys are read with again: an old snapshot was restored."""
        back = tuple(key for key in self.retired if key.name in names)
        kept = tuple(key for key in self.retired if key.name not in names)
        # In front: the newest stays the last.
        return replace(self, keys=(*back, *self.keys), retired=kept)


def new_key(keyring: Keyring | None = None) -> Key:
    """A random key, named by the time; no two of a keyring have one name."""
    taken = {key.name for key in (*keyring.keys, *keyring.retired)} if keyring else set()
    base = name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return Key(name, base64.b64encode(os.urandom(_SIZE)).decode())


def first_keyring(*, cluster_has_secrets: bool) -> Keyring:
    """The keyring of a cluster that had none; one that has Secrets already first learns to read with the key."""
    key = new_key()
    return Keyring((key,), IDENTITY if cluster_has_secrets else key.name)


def load_keyring(state_directory: Path) -> Keyring | None:
    """The keyring that the controller keeps; None where there is none.

    Raises:
        PkiError: it is damaged. It is never made anew by itself: Secrets could not be read any more.
    """
    path = state_directory / _FILE
    try:
        content = json.loads(path.read_text())
        keys, retired = (tuple(Key(each["name"], each["secret"]) for each in content[p]) for p in ("keys", "retired"))
        found = Keyring(keys, content["writes"], retired)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise PkiError(f"{path} is damaged ({error}); restore it from a backup: Secrets are sealed with it") from None
    if found.writes not in {IDENTITY, *(key.name for key in found.keys)} or not found.keys:
        raise PkiError(f"{path} is damaged: there is no key {found.writes}; restore it from a backup")
    return found


def save_keyring(state_directory: Path, keyring: Keyring) -> None:
    """Keep it, mode 0600: whole, or as it was."""
    listed = {
        part: [{"name": key.name, "secret": key.secret} for key in keys]
        for part, keys in (("keys", keyring.keys), ("retired", keyring.retired))
    }
    write_private(state_directory / _FILE, (json.dumps({**listed, "writes": keyring.writes}, indent=1) + "\n").encode())


def from_configuration(content: str) -> Keyring:
    """The keyring of a configuration that an API server has: where the controller's was lost.

    Raises:
        PkiError: it is none of kprov's.
    """
    try:
        providers = json.loads(content.partition("\n")[2])["resources"][0]["providers"]
        keys = next(each[PROVIDER]["keys"] for each in providers if PROVIDER in each)
        first = next(iter(providers[0]))
        listed = tuple(Key(each["name"], each["secret"]) for each in reversed(keys))
    except (ValueError, KeyError, IndexError, TypeError, StopIteration) as error:
        raise PkiError(f"the API servers' keys can't be read from their configuration: {error!r}") from None
    return Keyring(listed, IDENTITY if first == IDENTITY else keys[0]["name"])
