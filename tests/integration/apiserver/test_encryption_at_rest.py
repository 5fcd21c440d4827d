"""Secrets are sealed in etcd, every server with the key reads them, and a key is replaced while they are served."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from kprov.lab.control_plane.plane import ControlPlane
from kprov.lab.errors import LabError

KEYS = {name: base64.b64encode(os.urandom(32)).decode() for name in ("one", "two")}


def configuration(folder: Path, provider: str, *names: str) -> str:
    path = folder / f"{provider}-{'-'.join(names) or 'none'}.yaml"
    sealing = [{provider: {"keys": [{"name": name, "secret": KEYS[name]} for name in names]}}] if names else []
    path.write_text(
        json.dumps(
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "EncryptionConfiguration",
                "resources": [{"resources": ["secrets"], "providers": [*sealing, {"identity": {}}]}],
            }
        )
    )
    return f"--encryption-provider-config={path}"


def stored(plane: ControlPlane, name: str) -> bytes:
    """What etcd holds of a Secret."""
    command = [
        "etcdctl",
        f"--endpoints={plane.etcd_url}",
        "get",
        "--print-value-only",
        f"/registry/secrets/default/{name}",
    ]
    return subprocess.run(command, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, check=True).stdout


@pytest.mark.parametrize("provider", ["aescbc", "aesgcm", "secretbox"])
def test_secrets_are_sealed_and_keys_are_replaced(provider: str, plane: ControlPlane, kubectl, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name = f"sealed-{provider}"

    def at(url: str, *words: str, ok: bool = True, stdin: str = "") -> str:
        said: str = kubectl(f"--server={url}", *words, ok=ok, stdin=stdin)
        return said

    with plane.second_apiserver(configuration(tmp_path, provider, "one")) as url:
        at(url, "create", "secret", "generic", name, "--from-literal=word=open-sesame")
        assert stored(plane, name).startswith(f"k8s:enc:{provider}:v1:one:".encode())
        assert b"sesame" not in stored(plane, name) and b"c2VzYW1l" not in stored(plane, name)
        assert json.loads(at(url, "get", "secret", name, "-o", "json"))["data"]["word"]

    with plane.second_apiserver(configuration(tmp_path, provider, "two", "one")) as url:
        whole = at(url, "get", "secret", name, "-o", "json")
        assert stored(plane, name).startswith(f"k8s:enc:{provider}:v1:one:".encode())
        at(url, "replace", "-f", "-", stdin=whole)  # as upstream's documentation has it
        assert stored(plane, name).startswith(f"k8s:enc:{provider}:v1:two:".encode())

    with plane.second_apiserver(configuration(tmp_path, provider, "two")) as url:
        word = json.loads(at(url, "get", "secret", name, "-o", "json"))["data"]["word"]
        assert base64.b64decode(word) == b"open-sesame"
        at(url, "delete", "secret", name)


def test_a_server_without_the_key_does_not_begin_to_serve(  # type: ignore[no-untyped-def]
    plane: ControlPlane, kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with plane.second_apiserver(configuration(tmp_path, "aescbc", "one")) as url:
        kubectl(f"--server={url}", "create", "secret", "generic", "foreign", "--from-literal=a=b")
        monkeypatch.setattr("kprov.lab.control_plane.plane._SECONDS", 20.0)
        with (
            pytest.raises(LabError, match="waiting for etcd: /registry/secrets/default/foreign can't be read"),
            plane.second_apiserver(configuration(tmp_path, "aescbc", "two")),
        ):
            pass
        kubectl(f"--server={url}", "delete", "secret", "foreign")
