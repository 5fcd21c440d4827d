"""Authorities are changed in three steps, and a run that is cut off anywhere leaves one step or the other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from kprov.provision.pki import files
from kprov.provision.pki.authority import AUTHORITIES, Authorities, load_certificates, open_authorities
from kprov.provision.pki.catalogue import Cluster, Machine, certificates_of
from kprov.provision.pki.errors import PkiError, SealedError
from kprov.provision.pki.renewal import OTHER_AUTHORITY, needs_renewal
from kprov.provision.pki.rotation import NEXT, SERVICE_ACCOUNT, Step, load_rotation
from kprov.provision.pki.sealing import is_sealed, key_files, reseal
from kprov.provision.pki.signing import sign_key
from kprov.provision.pki.succession import advance, begin, both_certificates, finish, mark_done

EVERY = (*AUTHORITIES, SERVICE_ACCOUNT)
DAYS = 3650


def opened(state: Path, passphrase: str | None = None) -> Authorities:
    return open_authorities(state, lifetime_days=DAYS, passphrase=passphrase)


def next_step(state: Path, *names: str) -> None:
    mark_done(state, names or EVERY)
    advance(state, names or EVERY)


def trusted(state: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(opened(state).cluster.trusted_pem)


def all_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    opened(tmp_path / "state")
    return tmp_path / "state"


def test_in_every_step_who_signs_is_trusted_before_and_after(state: Path) -> None:
    files = all_files(state)
    old = opened(state)
    begin(state, EVERY, lifetime_days=DAYS, passphrase=None)
    first, new = both_certificates(state, "cluster")
    assert first == old.cluster.certificate != new
    assert opened(state).cluster.certificate == first
    assert trusted(state) == [first, new]
    account = opened(state).service_account
    assert account.private_pem == old.service_account.private_pem
    assert account.public_pem.startswith(old.service_account.public_pem)
    assert account.public_pem.count(b"BEGIN PUBLIC KEY") == 2
    assert load_certificates(state)["cluster"] == first

    next_step(state)
    assert trusted(state) == [new, first]
    assert opened(state).cluster.certificate == new == load_certificates(state)["cluster"]
    assert opened(state).service_account.public_pem.endswith(old.service_account.public_pem)

    next_step(state)
    assert trusted(state) == [new]
    believed = opened(state).service_account
    assert believed.public_pem.count(b"BEGIN PUBLIC KEY") == 1 and believed.private_pem != account.private_pem

    mark_done(state, EVERY)
    finish(state, EVERY)
    assert opened(state).cluster.certificate == new
    assert opened(state).service_account == believed
    assert all_files(state) == files
    assert not load_rotation(state / "pki")


def test_one_authority_is_changed_and_the_others_stay(state: Path) -> None:
    before = opened(state)
    begin(state, ["etcd"], lifetime_days=DAYS, passphrase=None)
    next_step(state, "etcd")
    now = opened(state)
    assert now.etcd.certificate != before.etcd.certificate
    assert now.etcd.also_trusted == (before.etcd.certificate,)
    assert now.cluster.certificate == before.cluster.certificate and not now.cluster.also_trusted
    assert now.service_account.public_pem == before.service_account.public_pem


def test_no_step_is_left_out(state: Path) -> None:
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    with pytest.raises(PkiError, match="not at its end"):
        advance(state, ["cluster"])
    with pytest.raises(PkiError, match="not everybody"):
        finish(state, ["cluster"])
    next_step(state, "cluster")
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)  # goes on; no third one is made
    assert load_rotation(state / "pki")["cluster"].step is Step.REISSUE


def test_everything_is_to_be_signed_again_in_the_second_step_and_only_then(
    state: Path, machines: list[Machine], cluster: Cluster
) -> None:
    specs = list(certificates_of(machines[0], cluster, machines))
    key = ec.generate_private_key(ec.SECP256R1())
    old = opened(state)
    pems = {spec.name: sign_key(old.by_name(spec.authority), key.public_key(), spec) for spec in specs}
    begin(state, AUTHORITIES, lifetime_days=DAYS, passphrase=None)

    def reasons() -> set[str | None]:
        present = opened(state)
        return {needs_renewal(pems[spec.name], spec, present.by_name(spec.authority)) for spec in specs}

    assert reasons() == {None}
    next_step(state, *AUTHORITIES)
    assert reasons() == {OTHER_AUTHORITY}


def test_openssl_believes_certificates_of_both_by_the_bundle(
    state: Path, machines: list[Machine], cluster: Cluster, tmp_path: Path, openssl: Callable[..., object]
) -> None:
    spec = next(spec for spec in certificates_of(machines[0], cluster, machines) if spec.name == "apiserver")
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    (tmp_path / "old.pem").write_bytes(sign_key(opened(state).cluster, key, spec))
    (tmp_path / "both.pem").write_bytes(opened(state).cluster.trusted_pem)
    next_step(state, "cluster")
    (tmp_path / "new.pem").write_bytes(sign_key(opened(state).cluster, key, spec))
    (tmp_path / "turned.pem").write_bytes(opened(state).cluster.trusted_pem)
    for bundle in ("both.pem", "turned.pem"):
        for certificate in ("old.pem", "new.pem"):
            openssl("verify", "-CAfile", bundle, certificate)


def test_the_new_key_is_sealed_as_the_old_one_is(state: Path) -> None:
    reseal(state, old=None, new="a passphrase")
    begin(state, EVERY, lifetime_days=DAYS, passphrase="a passphrase")
    keys = key_files(state)
    assert len(keys) == 8 and all(is_sealed(path) for path in keys)
    with pytest.raises(SealedError):
        opened(state, "another")
    reseal(state, old="a passphrase", new=None)
    next_step(state)
    assert not any(is_sealed(path) for path in key_files(state))
    assert opened(state).cluster.also_trusted


def test_a_passphrase_seals_nothing_that_was_open(state: Path) -> None:
    begin(state, EVERY, lifetime_days=DAYS, passphrase="not asked for")
    assert not any(is_sealed(path) for path in key_files(state))


class Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("act", ["begin", "advance", "finish"])
def test_a_run_that_is_killed_at_any_write_can_be_repeated(
    tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tmp_path / "prepared"
    opened(prepared)
    if act != "begin":
        begin(prepared, EVERY, lifetime_days=DAYS, passphrase=None)
        mark_done(prepared, EVERY)
    if act == "finish":
        advance(prepared, EVERY)
        next_step(prepared)
        mark_done(prepared, EVERY)

    def do(state: Path) -> None:
        if act == "begin":
            begin(state, EVERY, lifetime_days=DAYS, passphrase=None)
        elif act == "advance":
            advance(state, EVERY)
        else:
            finish(state, [name for name in EVERY if name in load_rotation(state / "pki")])

    writes = 0
    while True:
        state = tmp_path / f"state-{writes}"
        shutil.copytree(prepared, state)
        left = writes
        real = files.write_private

        def dying(path: Path, content: bytes, real: Callable[[Path, bytes], None] = real) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            real(path, content)

        with monkeypatch.context() as patched:
            for module in ("authority", "succession", "rotation"):
                patched.setattr(f"kprov.provision.pki.{module}.write_private", dying)
            try:
                do(state)
            except Killed:
                pass
            else:
                break
        # What is found after it can sign, and is trusted by what was given before.
        found = opened(state)
        assert found.cluster.key.public_key() == found.cluster.certificate.public_key()
        do(state)
        assert opened(state).cluster.key.public_key() == opened(state).cluster.certificate.public_key()
        writes += 1
    assert writes >= 1 if act == "advance" else writes > 4
    if act == "finish":
        assert not (state / "pki" / NEXT).exists()


def test_what_is_left_of_a_change_that_ended_is_not_taken_for_new(state: Path) -> None:
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    shutil.copytree(state / "pki" / NEXT, state / "left")
    next_step(state, "cluster")
    next_step(state, "cluster")
    mark_done(state, ["cluster"])
    finish(state, ["cluster"])
    shutil.copytree(state / "left", state / "pki" / NEXT)  # as when the run was killed before it cleared up
    present = opened(state).cluster.certificate
    begin(state, ["cluster"], lifetime_days=DAYS, passphrase=None)
    old, new = both_certificates(state, "cluster")
    assert old == present != new


def test_a_damaged_file_is_told_of(state: Path) -> None:
    (state / "pki/rotation.json").write_text('{"cluster": {"step": "sideways"}}')
    with pytest.raises(PkiError, match=r"rotation\.json is damaged"):
        opened(state)
