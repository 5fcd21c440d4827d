"""``kprov certs``, as far as it needs no machine."""

from __future__ import annotations

import datetime
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kprov.cli import certificate_reader
from kprov.cli.certs import exit_code_for
from kprov.provision.inventory import Inventory, load
from kprov.provision.pki.authority import Authorities, open_authorities
from kprov.provision.pki.expiry import ExpiryRow
from kprov.provision.pki.kubeconfig import write_admin_kubeconfig
from kprov.provision.pki.specification import CertificateSpec

Kprov = Callable[..., Any]


@pytest.fixture
def inventory(inventory_file: Path) -> Inventory:
    return load(inventory_file)


@pytest.fixture
def authorities(inventory: Inventory) -> Authorities:
    made = open_authorities(inventory.cluster.state_directory, lifetime_days=3650)
    write_admin_kubeconfig(
        inventory.cluster.state_directory / "admin.kubeconfig",
        cluster_name="demo",
        server="https://192.0.2.11:6443",
        authority=made.cluster,
        cluster=inventory.cluster,
    )
    return made


def test_no_cluster_yet(kprov: Kprov, inventory_file: Path) -> None:
    done = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert done.code == 1
    assert "`kprov up" in done.err


def test_list_of_the_controllers(kprov: Kprov, inventory_file: Path, authorities: Authorities) -> None:
    done = kprov("certs", "list", "-i", inventory_file, "--controller-only")
    assert done.code == 0
    assert [line.split()[1:3] for line in done.out.splitlines()[1:]] == [
        ["admin", "364"],
        ["authority", "cluster"],
        ["authority", "etcd"],
        ["authority", "front-proxy"],
    ]


def test_list_as_json_and_alarm(kprov: Kprov, inventory_file: Path, authorities: Authorities) -> None:
    done = kprov("certs", "list", "-i", inventory_file, "--controller-only", "-o", "json", "--within-days", "365")
    *rows, summary = map(json.loads, done.out.splitlines())
    assert (done.code, summary["exit_code"], summary["first_ends_in_days"]) == (1, 1, 364)
    assert len(rows) == summary["certificates"] == 4
    assert rows[0]["state"] == "ok"
    assert kprov("certs", "list", "-i", inventory_file, "--controller-only", "--within-days", "30").code == 0


def test_sealing(kprov: Kprov, inventory_file: Path, authorities: Authorities, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not sealed" in kprov("certs", "unseal", "-i", inventory_file).out
    monkeypatch.setenv("KPROV_NEW_PASSPHRASE", "sesame")
    assert kprov("certs", "seal", "-i", inventory_file).code == 0
    # The list needs no key, so no passphrase.
    assert kprov("certs", "list", "-i", inventory_file, "--controller-only").code == 0
    monkeypatch.setenv("KPROV_PASSPHRASE", "barley")
    done = kprov("certs", "unseal", "-i", inventory_file)
    assert (done.code, "not the right one" in done.err) == (1, True)
    monkeypatch.setenv("KPROV_PASSPHRASE", "sesame")
    assert kprov("certs", "unseal", "-i", inventory_file).code == 0


def test_the_script_prints_certificates_only(tmp_path: Path, authorities: Authorities) -> None:
    both = tmp_path / "both's.pem"
    both.write_bytes(authorities.cluster.key_pem + authorities.cluster.certificate_pem)
    spec = CertificateSpec(name="x", authority="cluster", common_name="x", path=str(both))
    absent = CertificateSpec(name="y", authority="cluster", common_name="y", path=str(tmp_path / "absent.pem"))
    done = subprocess.run(
        ["sh", "-c", certificate_reader.script([spec, absent])], capture_output=True, text=True, check=True
    )
    assert "PRIVATE" not in done.stdout
    found = certificate_reader.parse(done.stdout)
    assert found == {str(both): authorities.cluster.certificate_pem.decode()}


def row(state: str, days: int | None) -> ExpiryRow:
    return ExpiryRow(
        host="h", name="n", path="p", subject="s", authority="a", expires=None, days_left=days, state=state
    )


@pytest.mark.parametrize(
    ("rows", "within", "code"),
    [
        ([("ok", 300)], None, 0),
        ([("expired", -1)], None, 0),
        ([("expired", -1)], 0, 1),
        ([("missing", None)], 30, 1),
        ([("ok", 31)], 30, 0),
        ([("unreachable", None), ("expired", -1)], 30, 3),
    ],
)
def test_exit_codes(rows: list[tuple[str, int | None]], within: int | None, code: int) -> None:
    assert exit_code_for([row(*each) for each in rows], within) == code


def test_kubelets_own(authorities: Authorities) -> None:
    now = datetime.datetime.now(datetime.UTC)
    pem = authorities.cluster.certificate_pem.decode()
    rows = certificate_reader.kubelet_rows("h", {certificate_reader.KUBELET["kubelet-client"]: pem}, now)
    assert [(each.name, each.state) for each in rows] == [("kubelet-client", "ok")]
