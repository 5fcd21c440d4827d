"""``kprov certs request`` and ``import``, and authorities that the inventory names: as far as no machine is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kprov.cli.exit_codes import ExitCode
from kprov.provision.cluster.controller_state import controller_state, refuse_other_authorities
from kprov.provision.inventory import Inventory, load
from kprov.provision.pki.authority import is_complete
from kprov.provision.pki.errors import PkiError
from kprov.provision.pki.sealing import is_sealed

Kprov = Callable[..., Any]
EXTENSIONS = """basicConstraints = critical, CA:TRUE, pathlen:{pathlen}
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Elsewhere:
    """An organization that signs with openssl, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.request("root")
        self._sign("root", 1, "-signkey", "root.key")

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True, timeout=30)

    def request(self, name: str) -> None:
        """A key and a request of its own."""
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
        self.openssl("req", "-new", *key, "-subj", f"/CN=Example {name}", "-out", f"{name}.csr")
        (self.folder / f"{name}.key").chmod(0o600)

    def _sign(self, name: str, pathlen: int, *by: str) -> None:
        (self.folder / "extensions").write_text(EXTENSIONS.format(pathlen=pathlen))
        days = str(500 + 100 * pathlen)
        words = ("-in", f"{name}.csr", "-days", days, "-extfile", "extensions", "-out", f"{name}.pem")
        self.openssl("x509", "-req", *words, *by)

    def signs(self, name: str) -> Path:
        """What comes back for NAME.csr: its certificate, then the root's."""
        self._sign(name, 0, "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
        path = self.folder / f"{name}.pem"
        path.write_text(path.read_text() + (self.folder / "root.pem").read_text())
        return path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return Elsewhere(tmp_path_factory.mktemp("organization") / "of")


def with_settings(inventory_file: Path, **settings: Path) -> None:
    lines = "".join(f"    {name}: {path}\n" for name, path in settings.items())
    given = "  vars: {cluster_name: demo, ansible_become_password: hush}\n"
    text = inventory_file.read_text()
    assert given in text
    inventory_file.write_text(
        text.replace(given, f"  vars:\n    cluster_name: demo\n    ansible_become_password: hush\n{lines}")
    )


def open_state(inventory_file: Path, *, check: bool = False) -> Inventory:
    inventory = load(inventory_file)
    with controller_state(inventory, check=check, passphrase=None):
        return inventory


def test_requests_go_out_and_come_back(kprov: Kprov, inventory_file: Path, elsewhere: Elsewhere) -> None:
    done = kprov("certs", "request", "-i", inventory_file, "--directory", elsewhere.folder)
    assert done.code == 0 and f"etcd: have {elsewhere.folder}/etcd.csr signed" in done.out, done
    for check in (False, True):  # `kprov up`, `kprov plan`
        with pytest.raises(PkiError, match="the authority cluster is being signed elsewhere"):
            open_state(inventory_file, check=check)
    signed = [elsewhere.signs(name) for name in ("cluster", "etcd", "front-proxy")]
    done = kprov("certs", "import", "-i", inventory_file, *signed)
    assert done.out.splitlines() == [
        f"{name} lies ready; it is taken by: kprov up" for name in ("cluster", "etcd", "front-proxy")
    ]
    assert kprov("certs", "import", "-i", inventory_file, *signed).code == ExitCode.OK  # the same once more
    again = kprov("certs", "request", "-i", inventory_file)
    assert again.code == ExitCode.FAILED and "was signed and imported" in again.err
    inventory = open_state(inventory_file, check=True)
    assert not is_complete(inventory.cluster.state_directory)
    open_state(inventory_file)
    state = inventory.cluster.state_directory
    assert (state / "pki/etcd/ca.crt").read_bytes() == signed[1].read_bytes()
    listed = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert listed.out.count("499") == 3 and listed.code == 0, listed
    kprov("certs", "request", "-i", inventory_file, "--authority", "etcd")
    listed = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert "the next one is being signed elsewhere" in listed.out
    back = kprov("certs", "request", "-i", inventory_file, "--authority", "etcd", "--withdraw")
    assert "deleted" in back.out and (state / "pki/etcd/ca.key").exists()
    assert "nothing to take back" in kprov("certs", "request", "-i", inventory_file, "--withdraw").out


def test_the_keys_of_requests_are_sealed_as_it_is_asked_for(
    kprov: Kprov, inventory_file: Path, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KPROV_PASSPHRASE", "sesame")
    kprov("certs", "request", "-i", inventory_file, "--authority", "etcd", "--directory", elsewhere.folder)
    key = load(inventory_file).cluster.state_directory / "pki/external/etcd/ca.key"
    assert is_sealed(key)
    monkeypatch.delenv("KPROV_PASSPHRASE")
    signed = elsewhere.signs("etcd")
    without = kprov("certs", "import", "-i", inventory_file, signed)
    assert without.code == ExitCode.FAILED and f"{key} is sealed: give the passphrase (KPROV_PASSPHRASE)" in without.err
    monkeypatch.setenv("KPROV_PASSPHRASE", "sesame")
    assert kprov("certs", "import", "-i", inventory_file, signed).code == ExitCode.OK


def test_what_is_wrong_is_said(kprov: Kprov, inventory_file: Path, elsewhere: Elsewhere) -> None:
    alone = kprov("certs", "import", "-i", inventory_file, "--key", elsewhere.folder / "root.key", "any.pem")
    assert alone.code == ExitCode.USAGE and "--authority and --key belong together" in alone.err
    everything = ("--authority", "all", "--key", elsewhere.folder / "root.key")
    done = kprov("certs", "import", "-i", inventory_file, *everything, "any.pem")
    assert done.code == ExitCode.USAGE and "one authority" in done.err
    none = kprov("certs", "import", "-i", inventory_file, elsewhere.folder / "root.pem")
    assert none.code == ExitCode.FAILED and "not made of a request" in none.err


def test_the_inventory_names_an_authority(kprov: Kprov, inventory_file: Path, elsewhere: Elsewhere) -> None:
    elsewhere.request("mine")
    mine, key = elsewhere.signs("mine"), elsewhere.folder / "mine.key"
    with_settings(inventory_file, cluster_ca_certificate_file=mine, cluster_ca_key_file=key)
    inventory = open_state(inventory_file)
    state = inventory.cluster.state_directory
    assert (state / "pki/ca.crt").read_bytes() == mine.read_bytes()
    assert not (state / "pki/external").exists()
    refuse_other_authorities(inventory)
    open_state(inventory_file)  # the same once more

    elsewhere.request("another")
    another = elsewhere.signs("another")
    mine.write_bytes(another.read_bytes())
    with pytest.raises(PkiError, match=r"names .*mine.pem \(CN=Example another\) as the authority cluster.* rotate-ca"):
        refuse_other_authorities(inventory)

    key.chmod(0o644)
    open_to_all = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert open_to_all.code == ExitCode.USAGE and f"chmod 600 {key}" in open_to_all.err
    for file in (key, mine):
        file.unlink()
    refuse_other_authorities(open_state(inventory_file))  # what was taken is enough
    state.rename(state.with_name("elsewhere"))
    gone = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert gone.code == ExitCode.USAGE and f"{key} does not exist" in gone.err and f"{mine} does not" in gone.err
    assert f"{inventory_file}:" in gone.err
