"""Whom --client-ca-file names is trusted from the moment that the file says so, and no longer than it does."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kprov.lab.control_plane.authority import Authority
from kprov.lab.control_plane.plane import ControlPlane

_SECONDS = 120.0


def _connect(url: str, certificate: Path) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return http.client.HTTPSConnection(urlsplit(url).netloc, context=context, timeout=20)


def _code(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/api/v1/namespaces/default")
    response = connection.getresponse()
    response.read()
    return response.status


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_an_authority_that_is_taken_out_is_trusted_no_longer(
    plane: ControlPlane,
    kubectl,  # type: ignore[no-untyped-def]
    tmp_path: Path,
) -> None:
    for name in ("old", "new"):
        Authority(tmp_path / name).issue("client", "kubernetes-admin", "system:masters")
    authorities = {name: (tmp_path / name / "ca.crt").read_text() for name in ("old", "new")}
    bundle = tmp_path / "bundle.crt"

    def trust(*names: str) -> None:
        whole = tmp_path / "bundle.new"
        whole.write_text("".join(authorities[name] for name in names))
        whole.rename(bundle)

    def told() -> str:
        maps = json.loads(kubectl("-n", "kube-system", "get", "cm", "extension-apiserver-authentication", "-o", "json"))
        return str(maps["data"]["client-ca-file"])

    before = told()
    trust("old")
    with plane.second_apiserver(f"--client-ca-file={bundle}", "--requestheader-client-ca-file=") as url:
        old = _connect(url, tmp_path / "old" / "client.crt")
        assert _code(old) == 200
        with pytest.raises(OSError):
            _code(_connect(url, tmp_path / "new" / "client.crt"))
        trust("old", "new")
        _until(lambda: told() == authorities["old"] + authorities["new"], "other servers are not told of the new one")
        new = _connect(url, tmp_path / "new" / "client.crt")
        assert (_code(old), _code(new)) == (200, 200)
        trust("new")
        _until(lambda: _code(old) == 401, "a connection that is open is still taken for the administrator's")
        assert _code(new) == 200
        with pytest.raises(OSError):
            _code(_connect(url, tmp_path / "old" / "client.crt"))
        _until(lambda: told() == authorities["new"], "other servers are told of the old one")
        trust("old", "new")
        _until(lambda: _code(old) == 200, "the old one is not trusted again")
    patch = json.dumps({"data": {"client-ca-file": before}})  # as the tests' first server has it
    kubectl("-n", "kube-system", "patch", "cm", "extension-apiserver-authentication", "--type=merge", "-p", patch)
