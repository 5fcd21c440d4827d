from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from fake_api_server import FakeApiServer

from kprov.kube.api import kubeconfig as kubeconfig_module
from kprov.kube.api.client import ApiClient
from kprov.kube.api.kinds import NODES
from kprov.kube.api.kubeconfig import KubeconfigError, load_kubeconfig


def write(folder: Path, user: dict[str, object], cluster: dict[str, object] | None = None) -> Path:
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:7443/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return path


def test_paths_are_beside_the_file_and_data_comes_inline(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    user = {"client-certificate": "pki/me.crt", "client-key-data": data}
    read = load_kubeconfig(write(tmp_path, user, {"certificate-authority": "/abs/ca.crt", "tls-server-name": "k"}))
    assert (read.server, read.namespace, read.server_name) == ("https://127.0.0.1:7443", "n", "k")
    assert read.certificate.path == tmp_path / "pki/me.crt"
    assert read.key.read() == b"PEM"
    assert read.authority.path == Path("/abs/ca.crt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("current-context: x", "no context named 'x'"),
        ("[]", "no context named None"),
        ("{", "kubeconfig"),
        ("text", "is not a mapping"),
    ],
)
def test_what_is_no_kubeconfig(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=message):
        load_kubeconfig(path)


def test_programs_that_fetch_credentials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="does not implement exec"):
        load_kubeconfig(write(tmp_path, {"exec": {"command": "x"}}))


def test_a_missing_certificate_is_told_at_the_start(tmp_path: Path) -> None:
    path = write(tmp_path, {"client-certificate": "missing.crt", "client-key": "missing.key"})
    with pytest.raises(KubeconfigError, match="cannot be used"):
        ApiClient.from_kubeconfig(path, user_agent="t")


async def test_a_token_is_read_again_and_new_files_mean_new_connections(
    server: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeconfig_module, "_LOOK_EVERY", 0.0)
    seen: list[tuple[str | None, object]] = []

    def note(request: web.Request) -> web.StreamResponse | None:
        seen.append((request.headers.get("Authorization"), request.transport))
        return None

    server.fault = note
    token = tmp_path / "token"
    token.write_text("one\n")
    path = write(tmp_path, {"tokenFile": str(token)}, {"server": server.url})
    client = ApiClient.from_kubeconfig(path, user_agent="t")
    await client.list(NODES)
    await client.list(NODES)
    replacement = tmp_path / "new"
    replacement.write_text("two")
    replacement.replace(token)
    await client.list(NODES)
    assert [header for header, _ in seen] == ["Bearer one", "Bearer one", "Bearer two"]
    assert seen[0][1] is seen[1][1]
    assert seen[1][1] is not seen[2][1]
    await client.close()
