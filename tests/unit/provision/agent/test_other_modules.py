"""Archives, artifacts, keys and requests, waiting, packages' table: against temporary folders."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kprov.provision.agent import dpkg
from kprov.provision.agent.modules import systemd


def archive(*members: tuple[str, bytes, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data, mode in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def offered(module: Any, data: bytes) -> dict[str, Any]:
    sha256 = module.contents.add(data)
    return {"_sha256": sha256, "_size": len(data), "sha256": sha256}


def test_unarchive_once_and_beside_others(module: Any, tmp_path: Path) -> None:
    dest = tmp_path / "releases" / "1"
    first, second = archive(("bin/run", b"#!", 0o755)), archive(("lib/a.py", b"x", 0o644))
    assert (
        module("unarchive", check=True, src="a", dest=str(dest), **offered(module, first))["changed"]
        and not dest.exists()
    )
    assert module("unarchive", src="a", dest=str(dest), **offered(module, first))["changed"]
    assert (dest / "bin" / "run").stat().st_mode & 0o777 == 0o755
    assert not module("unarchive", src="a", dest=str(dest), **offered(module, first))["changed"]
    assert module("unarchive", src="b", dest=str(dest), **offered(module, second))["changed"]
    assert (dest / "bin" / "run").exists() and (dest / "lib" / "a.py").read_text() == "x"
    third = archive(("only", b"y", 0o644))
    assert module("unarchive", src="c", dest=str(dest), replace=True, **offered(module, third))["changed"]
    assert sorted(path.name for path in dest.iterdir()) == [".kprov-archives", "only"]
    assert [path.name for path in dest.parent.iterdir()] == ["1"]


def test_unarchive_refuses_what_leads_out_and_what_was_replaced(module: Any, tmp_path: Path) -> None:
    bad = archive(("../evil", b"x", 0o644))
    assert "leads out" in module.fails("unarchive", src="a", dest=str(tmp_path / "d"), **offered(module, bad)).message
    other = {**offered(module, bad), "sha256": "0" * 64}
    assert "checksum" in module.fails("unarchive", src="a", dest=str(tmp_path / "d"), **other).message
    assert not list(tmp_path.iterdir())


def test_artifacts_travel_once(module: Any, tmp_path: Path) -> None:
    data = b"package" * 100
    entry = {"path": "p.deb", "sha256": module.contents.add(data), "size": len(data)}
    first = module("artifacts", files=[entry], directory=str(tmp_path / "cache"))
    assert first["sent"] == 1 and Path(first["paths"][entry["sha256"]]).read_bytes() == data
    assert module("artifacts", files=[entry], directory=str(tmp_path / "cache"))["sent"] == 0
    assert len(module.contents.taken) == 1


@pytest.mark.parametrize("kind", ["ECC", "RSA"])
def test_key_and_request(module: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pki" / "x.key"
    assert module("openssl_privatekey", check=True, path=str(path), type=kind)["changed"] and not path.exists()
    made = module("openssl_privatekey", path=str(path), type=kind)
    again = module("openssl_privatekey", path=str(path), type=kind)
    assert made["changed"] and not again["changed"] and path.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in str(made) + str(again)
    answer = module(
        "openssl_csr",
        privatekey_path=str(path),
        common_name="system:node:a=b, c",
        organization=["system:nodes", "two"],
        subject_alt_name=["DNS:a", "IP:10.0.0.1"],
    )
    request = x509.load_pem_x509_csr(answer["csr"].encode())
    public = request.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert request.is_signature_valid and hashlib.sha256(public).hexdigest() == answer["public_key_sha256"]
    assert answer["public_key_sha256"] == made["public_key_sha256"]
    assert [attribute.value for attribute in request.subject] == ["system:nodes", "two", "system:node:a=b, c"]
    path.write_text("no key")
    assert "move it away" in module.fails("openssl_privatekey", path=str(path), type=kind).message


def test_request_without_a_key(module: Any, tmp_path: Path) -> None:
    arguments = {"privatekey_path": str(tmp_path / "no"), "common_name": "x"}
    assert module("openssl_csr", check=True, **arguments)["csr"] is None
    assert "make it first" in module.fails("openssl_csr", **arguments).message


class _Handler(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        ready = self.path == "/ok" or type(self).asked > 2
        self.send_response(200 if ready else 503)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"a": 1}')

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    _Handler.asked = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found.server_address[1]
        found.shutdown()
        thread.join()


def test_uri(module: Any, server: int) -> None:
    assert module("uri", url=f"http://127.0.0.1:{server}/ok")["json"] == {"a": 1}
    _Handler.asked = 0
    assert "status 503" in module.fails("uri", url=f"http://127.0.0.1:{server}/x").message
    assert module("uri", url=f"http://127.0.0.1:{server}/x", retries=3, delay=0.01)["attempts"] == 2


def test_wait_for(module: Any, server: int, tmp_path: Path) -> None:
    assert module("wait_for", port=server, timeout=2)["elapsed"] < 2
    (tmp_path / "f").write_text("ready now\n")
    module("wait_for", path=str(tmp_path / "f"), search_regex="^ready")
    module("wait_for", path=str(tmp_path / "g"), state="absent")
    assert "g does not exist" in module.fails("wait_for", path=str(tmp_path / "g"), timeout=0.05, sleep=0.01).message
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert "refused" in module.fails("wait_for", path=str(tmp_path / "s"), timeout=0.05, sleep=0.01).message
        listener.listen()
        module("wait_for", path=str(tmp_path / "s"), timeout=1)


def test_dpkg_table_is_what_dpkg_says() -> None:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n"], capture_output=True, text=True, check=True
    )
    installed = {f"{package.name} {package.version}" for package in dpkg.table() if package.version}
    assert set(asked.stdout.split("\n")) - {""} >= installed and installed


@pytest.mark.parametrize(
    ("state", "active", "verb"),
    [("started", "active", None), ("started", "failed", "start"), ("stopped", "inactive", None),
     ("stopped", "activating", "stop"),
     ("restarted", "active", "restart"), ("reloaded", "active", "reload"), ("reloaded", "inactive", "start"),
     (None, "failed", None)],
)  # fmt: skip
def test_what_systemd_is_told(state: str | None, active: str, verb: str | None) -> None:
    assert systemd._verb(state, active) == verb
