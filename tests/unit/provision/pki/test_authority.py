"""The authorities: made once, kept private, sealed if so wished."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kprov.provision.pki.authority import load_certificates, open_authorities
from kprov.provision.pki.errors import PkiError, SealedError
from kprov.provision.pki.sealing import is_sealed, key_files, reseal

Openssl = Callable[..., subprocess.CompletedProcess[str]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_and_modes(tmp_path: Path) -> None:
    open_authorities(tmp_path / "state", lifetime_days=3650)
    assert sorted(contents(tmp_path / "state")) == [
        "pki/ca.crt",
        "pki/ca.key",
        "pki/etcd/ca.crt",
        "pki/etcd/ca.key",
        "pki/front-proxy-ca.crt",
        "pki/front-proxy-ca.key",
        "pki/sa.key",
        "pki/sa.pub",
    ]
    for path in (tmp_path / "state").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    first = open_authorities(tmp_path, lifetime_days=3650)
    before = contents(tmp_path)
    second = open_authorities(tmp_path, lifetime_days=10)
    assert contents(tmp_path) == before
    assert second.cluster.certificate == first.cluster.certificate


def test_open_modes_are_closed_again(tmp_path: Path) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    (tmp_path / "pki").chmod(0o755)
    open_authorities(tmp_path, lifetime_days=3650)
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_openssl_agrees(tmp_path: Path, openssl: Openssl) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    for name, common_name in (
        ("ca", "kubernetes"),
        ("etcd/ca", "etcd-ca"),
        ("front-proxy-ca", "kubernetes-front-proxy-ca"),
    ):
        path = f"pki/{name}.crt"
        assert openssl("verify", "-x509_strict", "-CAfile", path, path).stdout.strip() == f"{path}: OK"
        text = openssl("x509", "-in", path, "-noout", "-text").stdout
        assert f"Subject: CN = {common_name}" in text
        assert "CA:TRUE" in text
        assert "Certificate Sign" in text
    assert openssl("rsa", "-in", "pki/sa.key", "-pubout").stdout == (tmp_path / "pki/sa.pub").read_text()


def test_after_a_crash_between_key_and_certificate(tmp_path: Path) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    (tmp_path / "pki/ca.crt").unlink()
    key = (tmp_path / "pki/ca.key").read_bytes()
    authorities = open_authorities(tmp_path, lifetime_days=3650)
    assert (tmp_path / "pki/ca.key").read_bytes() == key
    assert authorities.cluster.certificate.public_key() == authorities.cluster.key.public_key()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda pki: (pki / "ca.key").unlink(), "restore the key from a backup"),
        (lambda pki: (pki / "ca.key").write_text("rubbish"), "is damaged"),
        (lambda pki: (pki / "ca.crt").write_text("rubbish"), "is damaged"),
        (lambda pki: (pki / "ca.crt").write_bytes((pki / "etcd/ca.crt").read_bytes()), "does not belong to"),
        (lambda pki: (pki / "ca.key").write_bytes((pki / "sa.key").read_bytes()), "does not belong to"),
    ],
)
def test_an_authority_is_never_silently_made_anew(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    damage(tmp_path / "pki")
    before = contents(tmp_path)
    with pytest.raises(PkiError, match=message):
        open_authorities(tmp_path, lifetime_days=3650)
    assert contents(tmp_path) == before


class TestSealing:
    def test_new_keys_are_sealed(self, tmp_path: Path) -> None:
        open_authorities(tmp_path, lifetime_days=3650, passphrase="open sesame")
        assert len(key_files(tmp_path)) == 4
        assert all(is_sealed(path) for path in key_files(tmp_path))
        open_authorities(tmp_path, lifetime_days=3650, passphrase="open sesame")
        with pytest.raises(SealedError, match="is sealed"):
            open_authorities(tmp_path, lifetime_days=3650)
        with pytest.raises(SealedError, match="not the right one"):
            open_authorities(tmp_path, lifetime_days=3650, passphrase="open barley")
        assert set(load_certificates(tmp_path)) == {"cluster", "etcd", "front-proxy"}

    def test_sealing_and_opening_keep_the_keys(self, tmp_path: Path) -> None:
        first = open_authorities(tmp_path, lifetime_days=3650)
        reseal(tmp_path, old=None, new="one")
        reseal(tmp_path, old="one", new="two")
        with pytest.raises(SealedError):
            reseal(tmp_path, old="one", new=None)
        reseal(tmp_path, old="two", new=None)
        second = open_authorities(tmp_path, lifetime_days=3650)
        assert second.etcd.key_pem == first.etcd.key_pem
        assert second.service_account == first.service_account
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in key_files(tmp_path))

    def test_nothing_to_seal(self, tmp_path: Path) -> None:
        with pytest.raises(PkiError, match="no keys"):
            reseal(tmp_path, old=None, new="x")


def test_keys_are_not_shown(tmp_path: Path) -> None:
    authorities = open_authorities(tmp_path, lifetime_days=1)
    assert "PRIVATE" not in repr(authorities)
