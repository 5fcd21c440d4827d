"""The keys that Secrets are sealed with: every step of their change can be read by the servers of the step before."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kprov.kube.apiserver.storage.encryption.ciphers import CannotOpen, Provider
from kprov.kube.apiserver.storage.encryption.configuration import read_configuration
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.keyring import (
    IDENTITY,
    Keyring,
    first_keyring,
    from_configuration,
    load_keyring,
    save_keyring,
)


def providers(keyring: Keyring, folder: Path) -> tuple[Provider, ...]:
    """What the API server itself makes of the configuration."""
    path = folder / "encryption-config.yaml"
    path.write_text("# comment\n" + json.dumps(keyring.configuration()))
    (rule,) = read_configuration(path)
    assert rule.covers("", "secrets")
    return rule.providers


def steps() -> Iterator[tuple[str, Keyring]]:
    """A cluster that had no key, and then rotates twice."""
    keyring = first_keyring(cluster_has_secrets=True)
    yield "can read", keyring
    keyring = keyring.writing_with_newest()
    yield "writes", keyring
    for number in range(2):
        keyring = keyring.with_new_key()
        yield f"rotation {number}: can read", keyring
        keyring = keyring.writing_with_newest()
        yield f"rotation {number}: writes", keyring
        keyring = keyring.without_old_keys()
        yield f"rotation {number}: old key gone", keyring


def test_servers_of_two_steps_that_follow_read_what_the_other_writes(tmp_path: Path) -> None:
    listed = list(steps())
    for (_, before), (name, after) in itertools.pairwise(listed):
        old, new = providers(before, tmp_path), providers(after, tmp_path)
        # Before the old key goes everything is sealed anew: only what is written from then on counts.
        for writer, readers in ((old, new), (new, old)):
            sealed = writer[0].seal(b"value", b"/registry/secrets/a/b")
            fitting = [
                each for each in readers if sealed.startswith(each.prefix) and (each.prefix or sealed == b"value")
            ]
            assert fitting, name
            assert fitting[0].open(sealed, b"/registry/secrets/a/b") == b"value"


def test_a_new_cluster_writes_with_its_key_at_once(tmp_path: Path) -> None:
    keyring = first_keyring(cluster_has_secrets=False)
    assert keyring.is_settled
    first, last = providers(keyring, tmp_path)
    assert first.prefix == f"k8s:enc:aescbc:v1:{keyring.keys[0].name}:".encode()
    assert last.prefix == b""
    with pytest.raises(CannotOpen):
        last.open(first.seal(b"v", b"k"), b"k")


def test_it_is_kept_whole_and_private(tmp_path: Path) -> None:
    assert load_keyring(tmp_path) is None
    for _, keyring in steps():
        save_keyring(tmp_path, keyring)
        assert load_keyring(tmp_path) == keyring
    (path,) = (tmp_path / "pki").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({key.name for key in (*keyring.keys, *keyring.retired)}) == 3
    assert keyring.keys[0].secret not in repr(keyring)


@pytest.mark.parametrize("content", ["", "{}", '{"keys": [], "retired": [], "writes": "identity"}', "[1]"])
def test_a_damaged_one_is_never_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/encryption-keys.json").write_text(content)
    with pytest.raises(PkiError, match="restore it from a backup"):
        load_keyring(tmp_path)


def test_a_lost_one_is_read_from_what_an_api_server_has() -> None:
    for name, keyring in steps():
        found = from_configuration("# Written by kprov\n" + json.dumps(keyring.configuration()))
        assert set(found.keys) == set(keyring.keys), name
        assert found.writes == keyring.writes, name
    with pytest.raises(PkiError):
        from_configuration("# nothing\n{}")


def test_an_old_snapshot_brings_its_key_back() -> None:
    *_, (_, last) = steps()
    gone = last.retired[0]
    back = last.recalling({gone.name})
    assert gone in back.keys and back.newest == last.newest and back.writes == last.writes != IDENTITY
    assert not back.is_settled and back.without_old_keys().keys == last.keys
