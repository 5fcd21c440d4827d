"""What travels to a machine is packed: every module is still itself there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import modules
from kprov.provision.transport import local
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.target import Target


@pytest.fixture(scope="module")
def link() -> Iterator[AgentLink]:
    found = local.connect(Target("here", "localhost", local=True, become=False))
    yield found
    found.close()


def task(link: AgentLink, module: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = link.call("task", module=module, arguments=arguments, timeout=30)
    return answer


@pytest.mark.parametrize("name", modules.NAMES)
def test_every_module_arrives(link: AgentLink, name: str) -> None:
    answer = task(link, name, nosuch=1)
    assert answer["failed"]
    assert "has no parameter 'nosuch'" in answer["msg"]


def test_what_they_need_of_the_library_is_there(link: AgentLink, tmp_path: Path) -> None:
    """Imports are put off until they are used: each kind of use is tried once."""
    (tmp_path / "f").write_text("a = 1\n")
    (tmp_path / "d").mkdir()
    path = str(tmp_path / "f")
    asked: list[tuple[str, dict[str, Any]]] = [
        ("lineinfile", {"path": path, "line": "b", "backup": True}),
        ("blockinfile", {"path": path, "block": "c"}),
        ("replace", {"path": path, "regexp": "a", "replace": "x"}),
        ("ini_file", {"path": path, "option": "o", "value": "v"}),
        ("find", {"paths": str(tmp_path), "age": "-1d", "contains": "x", "get_checksum": True}),
        ("stat", {"path": path, "get_mime": False}),
        ("slurp", {"src": path}),
        ("assemble", {"src": str(tmp_path / "d"), "dest": str(tmp_path / "g")}),
        ("tempfile", {"path": str(tmp_path)}),
        ("cron", {"name": "x", "job": "y", "cron_file": str(tmp_path / "cron")}),
        ("known_hosts", {"name": "h", "key": "h ssh-rsa AAAA", "path": str(tmp_path / "kh"), "hash_host": True}),
        ("pam_limits", {"domain": "*", "limit_type": "-", "limit_item": "core", "value": "0", "dest": path}),
        ("mount", {"path": "/x", "src": "y", "fstype": "z", "state": "present", "fstab": str(tmp_path / "fstab")}),
        ("command", {"cmd": "true"}),
        ("shell", {"cmd": "true"}),
        ("raw", {"cmd": "true"}),
        ("wait_for", {"path": path, "search_regex": "x"}),
        ("file", {"path": path, "state": "touch", "modification_time": "202001010000.00"}),
        ("getent", {"database": "passwd", "key": "root"}),
        ("setup", {"filter": "kernel"}),
        ("package_facts", {}),
    ]
    for name, arguments in asked:
        answer = task(link, name, **arguments)
        assert not answer.get("failed"), f"{name}: {answer}"
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("uri", {"url": "http://127.0.0.1:1/"}, "refused"),
        ("uri", {"url": "https://127.0.0.1:1/"}, "refused"),
        ("get_url", {"url": "http://127.0.0.1:1/", "dest": path, "checksum": "sha256:00"}, "refused"),
        ("apt_key", {"url": "http://127.0.0.1:1/"}, "refused"),
        ("apt_key", {"data": "x"}, "no OpenPGP public key"),
        ("unarchive", {"src": path, "dest": str(tmp_path / "d"), "remote_src": True}, "cannot be unpacked"),
        ("apt", {"name": "a b"}, "is no package"),
        ("git", {"repo": str(tmp_path / "no"), "dest": str(tmp_path / "r")}, "git ls-remote"),
        ("apt_repository", {"repo": "x"}, "is no source"),
        ("deb822_repository", {"name": "x", "uris": "y", "suites": "z", "signed_by": "?"}, "must be a path"),
        ("timezone", {"name": "Mars/Base"}, "knows no time zone"),
        ("user", {"name": "root", "group": "nosuchgroup"}, "no group 'nosuchgroup'"),
    ]
    for name, arguments, words in refused:
        answer = task(link, name, **arguments)
        assert words in answer["msg"], f"{name}: {answer}"
        assert "exception" not in answer, answer
