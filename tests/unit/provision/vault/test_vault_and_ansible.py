"""Ansible opens what kprov encrypts, and kprov opens what Ansible encrypts."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from hypothesis import given, settings
from hypothesis import strategies as st

from kprov.provision.vault import PasswordSource, Vault, VaultError
from kprov.provision.vault.envelope import DEFAULT_ID

CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=80).map(str.encode),
    st.sampled_from([b"", b"\n", b"\r\n", b"a\r\nb\r\n", b"\x00", b"\xff" * 16, b"x" * 15, b"x" * 16, b"x" * 17]),
)
# Both leave white space around a password out.
PASSWORDS = st.one_of(st.text(min_size=1, max_size=30).map(str.encode), st.binary(min_size=1, max_size=30)).filter(
    lambda password: password == password.strip()
)
IDS = st.one_of(st.just(DEFAULT_ID), st.text("abcdefXYZ0123-_.:/", min_size=1, max_size=20))


@dataclass(frozen=True)
class Known(PasswordSource):
    """A source that needs no file."""

    password: bytes = b""

    def read(self, ask: object) -> bytes:
        return self.password


@settings(max_examples=60, deadline=None)
@given(
    content=CONTENTS.filter(lambda content: not content.startswith(b"$ANSIBLE_VAULT")), password=PASSWORDS, vault_id=IDS
)
def test_both_read_what_the_other_wrote(content: bytes, password: bytes, vault_id: str) -> None:
    ours = Vault([Known(vault_id, password=password)])
    secret = VaultSecret(password)
    theirs = VaultLib([(vault_id, secret)])
    sealed = ours.encrypt(content)
    assert theirs.decrypt(sealed) == content
    foreign = theirs.encrypt(content, secret, vault_id)
    assert ours.decrypt(foreign) == content
    assert sealed.splitlines()[0] == foreign.splitlines()[0]


@settings(max_examples=30, deadline=None)
@given(content=CONTENTS, password=PASSWORDS, other=PASSWORDS)
def test_another_password_opens_nothing(content: bytes, password: bytes, other: bytes) -> None:
    sealed = Vault([Known("a", password=password)]).encrypt(content)
    if password == other:
        assert Vault([Known("a", password=other)]).decrypt(sealed) == content
    else:
        with pytest.raises(VaultError, match=r"f\.yml.*can't be opened with the vault password"):
            Vault([Known("a", password=other)]).decrypt(sealed, "f.yml")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_vault_is_never_taken_for_a_sound_one(data: st.DataObject) -> None:
    vault = Vault([Known(DEFAULT_ID, password=b"hush")])
    sealed = bytearray(SEALED)
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] = data.draw(st.integers(0, 255))
    try:
        assert vault.decrypt(bytes(sealed)) == b"attack at dawn"
    except VaultError:
        pass


SEALED = Vault([Known(DEFAULT_ID, password=b"hush")]).encrypt(b"attack at dawn")


@settings(max_examples=200, deadline=None)
@given(
    rest=st.one_of(
        st.binary(max_size=300), st.text("0123456789abcdef\n ", max_size=300).map(str.encode), st.just(b"0a" * 50)
    ),
    head=st.sampled_from([b"", b"$ANSIBLE_VAULT", b"$ANSIBLE_VAULT;1.1;AES256\n", b"$ANSIBLE_VAULT;1.2;AES256;x\n"]),
)
def test_what_is_no_vault_is_an_error_for_people(head: bytes, rest: bytes) -> None:
    with pytest.raises(VaultError):
        Vault([Known(DEFAULT_ID, password=b"hush")]).decrypt(head + rest)
