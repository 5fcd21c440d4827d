"""`kprov verify` fails in time, and names the machine, the file and the command that mends it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kprov.provision.inventory import Host
from kprov.provision.pki.authority import open_authorities
from kprov.provision.pki.expiry import ExpiryRow
from kprov.provision.verify import certificates
from kprov.provision.verify.report import Report

HOST = Host(name="cp1", address="192.0.2.1", node_address="192.0.2.1", groups=("all",), variables={})


def row(name: str, days: int | None, state: str = "ok", reason: str | None = None) -> ExpiryRow:
    path = f"/etc/kubernetes/pki/{name}.crt"
    return ExpiryRow(
        host="cp1",
        name=name,
        path=path,
        subject="",
        authority="cluster",
        expires="",
        days_left=days,
        state=state,
        reason=reason,
    )


def verified(
    rows: list[ExpiryRow], state: Path, monkeypatch: pytest.MonkeyPatch, *, warning: int = 30, lifetime: int = 365
) -> Report:
    monkeypatch.setattr(certificates, "read_certificates", lambda *_: rows)
    cluster = SimpleNamespace(
        state_directory=state, certificate_warning_days=warning, certificate_lifetime_days=lifetime
    )
    report = Report("test")
    certificates.verify_files(
        cast(Any, None), cast(Any, SimpleNamespace(cluster=cluster, hosts={"cp1": HOST})), [HOST], report
    )
    return report


@pytest.mark.parametrize(("warning", "fails"), [(30, False), (41, True)])
def test_the_days_are_settable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warning: int, fails: bool) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    report = verified([row("apiserver", 40)], tmp_path, monkeypatch, warning=warning)
    assert report.passed is not fails


def test_what_is_wrong_is_named_with_what_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_authorities(tmp_path, lifetime_days=3650)
    rows = [
        row("apiserver", 3),
        row("admin", -1, "expired"),
        row("kubelet-client", 2),
        row("scheduler", None, "unreachable", "timed out"),
        row("front-proxy-client", 300),
    ]
    (failure,) = verified(rows, tmp_path, monkeypatch).failures
    assert failure.message == (
        "cp1: /etc/kubernetes/pki/apiserver.crt (apiserver) ends in 3 days: `kprov certs renew apiserver` mends it; "
        "cp1: /etc/kubernetes/pki/admin.crt (admin) is expired: `kprov certs renew admin` mends it; "
        "cp1: /etc/kubernetes/pki/kubelet-client.crt (kubelet-client) ends in 2 days: the kubelet has not renewed it: "
        "on that machine, `journalctl -u kubelet` says why; "
        "cp1: /etc/kubernetes/pki/scheduler.crt (scheduler) is unreachable (timed out): bring the machine back"
    )


def test_an_authority_near_its_end_fails_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_authorities(tmp_path, lifetime_days=20)
    (failure,) = verified([row("apiserver", 100)], tmp_path, monkeypatch).failures
    assert failure.message.count("kprov certs rotate-ca --authority") == 3
    assert "etcd ends in 19 days" in failure.message
    assert not verified([row("apiserver", 100)], tmp_path, monkeypatch, lifetime=40).failures
