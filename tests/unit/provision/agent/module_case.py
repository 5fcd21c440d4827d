"""Tests of modules as data: cases/MODULE.yaml, one list of cases a module.

A case is what is there, what is asked for, and what comes of it. `{root}` in any text is the folder that stands for the
machine's `/`, `{hostname}` this machine's name.

    name          what the case shows
    files         what is there (see file_tree.build)
    prepare       a shell script that makes what `files` cannot; ROOT is the folder
    programs      shell scripts that stand for the machine's programs; ROOT is the folder, CALLS notes what was called
    serves        {path: text} of a web server; `{url}` is its address
    sends         the content that the controller sends (text, or {base64: ...}); `archive: {path: text}` is a tar.gz,
                  `folder: {path: text, null for a folder, or {link: target}}` a folder called `f`
    args          the module's arguments
    environment   the task's environment
    changed       default true
    skipped       default false
    returns       some of the values that it gives back; a text that begins with `~` is a regular expression
    tree          the paths that are different afterwards, and how (null: gone; `*` in a path: whatever is there);
                  everything else must be as it was
    diff          the diff, exactly
    error         words of its failure; nothing may have changed
    calls         what was called, in order (of the first real run)
    check         what is different in check mode: {changed, error, skipped, diff, returns}
    again         what is different the second time: {changed, error}; default: nothing changes
    root          true: needs to be the superuser
"""

from __future__ import annotations

import base64
import fnmatch
import gzip
import hashlib
import http.server
import io
import os
import re
import socket
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import yaml
from atomic_watch import watching
from file_tree import build, changed_paths, described, snapshot
from machine_accounts import accounts_from
from unified_diff import parse

from kprov.provision.agent import modules, parameters
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed

CASES = Path(__file__).parent / "cases"
KEYS = frozenset(
    {"name", "files", "programs", "serves", "sends", "archive", "args", "environment", "changed", "returns", "tree"}
    | {"diff", "error", "calls", "prepare", "check", "again", "root", "skipped", "folder"}
)


@dataclass
class Case:
    """One case of one module."""

    module: str
    name: str
    args: dict[str, Any]
    given: dict[str, Any] = field(repr=False, default_factory=dict)

    def __str__(self) -> str:
        return f"{self.module}: {self.name}"


def cases() -> list[Case]:
    """Every case of every module."""
    found: list[Case] = []
    for path in sorted(CASES.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text()):
            unknown = set(entry) - KEYS
            assert not unknown, f"{path}: case '{entry.get('name')}' has unknown keys {unknown}"
            found.append(Case(path.stem, entry["name"], entry.get("args", {}), entry))
    return found


class SentContents:
    """Contents that a controller would send."""

    def __init__(self) -> None:
        self.by_hash: dict[str, bytes] = {}

    def add(self, data: bytes) -> dict[str, Any]:
        """Offer a content; the arguments that announce it."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.by_hash[sha256] = data
        return {"_sha256": sha256, "_size": len(data)}

    def data(self, sha256: str, size: int) -> bytes:
        """A content."""
        return self.by_hash[sha256]

    def into(self, sha256: str, size: int, stream: BinaryIO) -> None:
        """A content, streamed."""
        stream.write(self.by_hash[sha256])


def archive(members: dict[str, str]) -> bytes:
    """A tar.gz of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), 0o644
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0)


@contextmanager
def web_server(pages: dict[str, Any]) -> Iterator[str]:
    """A web server on loopback that knows some pages; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            page = pages.get(self.path.partition("?")[0])
            data = (page if isinstance(page, str) else (page or {}).get("content", "")).encode()
            self.send_response(404 if page is None else page.get("status", 200) if isinstance(page, dict) else 200)
            self.send_header("Content-Length", str(len(data)))
            for name, value in (page.get("headers", {}) if isinstance(page, dict) else {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Machine:
    """A folder that stands for a machine, with programs of its own."""

    def __init__(self, case: Case, folder: Path, monkeypatch: Any, words: dict[str, str]) -> None:
        self.case, self.monkeypatch = case, monkeypatch
        self.root, self.calls_path = folder / "root", folder / "calls"
        self.words = {"{root}": str(self.root), "{hostname}": socket.gethostname(), **words}
        self.root.mkdir(parents=True)
        self.contents = SentContents()
        build(self.root, self.filled(case.given.get("files", {})))
        programs = folder / "bin"
        programs.mkdir()
        for name, script in case.given.get("programs", {}).items():
            path = programs / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n{self.filled(script or "")}\n')
            path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        monkeypatch.setenv("ROOT", str(self.root))
        monkeypatch.setenv("CALLS", str(self.calls_path))
        monkeypatch.setenv("HOME", str(self.root / "root"))
        accounts_from(self.root / "etc", monkeypatch)
        if "prepare" in case.given:
            script = self.filled(case.given["prepare"])
            subprocess.run(["sh", "-ec", script], check=True, cwd=self.root, capture_output=True)

    def filled(self, value: Any) -> Any:
        """A value with the case's words in place."""
        if isinstance(value, str):
            for word, text in self.words.items():
                value = value.replace(word, text)
            return value
        if isinstance(value, dict):
            return {self.filled(key): self.filled(each) for key, each in value.items()}
        return [self.filled(each) for each in value] if isinstance(value, list) else value

    def run(self, *, check: bool) -> dict[str, Any]:
        """Run the module as the agent does; a failure is a result, too."""
        given, arguments = self.case.given, self.filled(self.case.args)
        if "sends" in given:
            sends = given["sends"]
            data = sends.encode() if isinstance(sends, str) else base64.b64decode(sends["base64"])
            arguments |= self.contents.add(data)
        if "archive" in given:
            arguments |= self.contents.add(archive(given["archive"]))
        if "folder" in given:
            arguments |= {"_name": "f", "_entries": [self.entry(*each) for each in given["folder"].items()]}
        self.calls_path.write_text("")
        try:
            call = Call(
                modules.arguments_of(self.case.module, arguments),
                check=check,
                diff=True,
                environment=given.get("environment"),
                contents=self.contents,  # type: ignore[arg-type]
                root=str(self.root),
            )
            return modules.execute(self.case.module, call)
        except ModuleFailed as failure:
            return {"failed": True, "msg": failure.message, "changed": False, **failure.data}
        except parameters.WrongArguments as wrong:
            return {"failed": True, "msg": "; ".join(wrong.problems), "changed": False}

    def entry(self, path: str, what: Any) -> dict[str, Any]:
        """One entry of a folder that the controller sends."""
        if what is None:
            return {"path": path, "folder": True}
        if isinstance(what, dict):
            return {"path": path, "target": what["link"]}
        sent = self.contents.add(what.encode())
        return {"path": path, "sha256": sent["_sha256"], "size": sent["_size"], "mode": "0751"}

    def expect(self, result: dict[str, Any], expected: dict[str, Any]) -> None:
        """Compare a result with what the case says."""
        error = self.filled(expected.get("error"))
        if error is not None:
            assert result.get("failed"), f"it did not fail: {result}"
            assert error in result["msg"], result["msg"]
            return
        assert not result.get("failed"), result["msg"]
        assert result["changed"] == expected.get("changed", True), f"changed: {result}"
        assert bool(result.get("skipped")) == bool(expected.get("skipped")), result
        if "diff" in expected:
            assert result.get("diff", "") == self.filled(expected["diff"])
        for key, value in self.filled(expected.get("returns", {})).items():
            found = result.get(key)
            if isinstance(value, str) and value.startswith("~"):
                assert re.search(value[1:], str(found)), f"{key}: {found!r} does not match {value}"
            else:
                assert found == value, f"{key}: {found!r}, not {value!r}"

    def expect_tree(self, before: dict[str, Any], after: dict[str, Any], tree: dict[str, Any]) -> None:
        """Exactly the named paths are different, in exactly this way. Folders above a new path need no naming."""
        changed = changed_paths(before, after)
        named = set()
        for pattern, wanted in self.filled(tree).items():
            paths = fnmatch.filter(changed, pattern) if "*" in pattern else [pattern]
            assert paths, f"nothing like {pattern} is there: {sorted(changed)}"
            for path in paths:
                named.add(path)
                named |= {str(above) for above in Path(path).parents if str(above) not in before}
                if "*" not in pattern or wanted is not None:
                    assert described(self.root / path, wanted) == wanted, path
        assert changed - named == set(), "these are different, too"


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="backslashreplace")


def strictly(result: dict[str, Any]) -> list[Any]:
    """The sections of a result's diff; a change must have one."""
    diff = result.get("diff", "")
    assert isinstance(diff, str)
    return parse(diff) if diff else []


def play(case: Case, folder: Path, monkeypatch: Any) -> None:
    """Everything that must hold for a case: check mode, the change itself, the second time."""
    given = case.given
    if given.get("root") and os.geteuid() != 0:
        pytest.skip("needs to be the superuser")
    with ExitStack() as stack:
        words = {}
        if "serves" in given:
            words["{url}"] = stack.enter_context(web_server(given["serves"]))
        machine = Machine(case, folder, monkeypatch, words)
        before = snapshot(machine.root)
        texts = {
            str(machine.root / path): _text(machine.root / path)
            for path, entry in before.items()
            if entry.kind == "-" or (entry.kind == "l" and (machine.root / path).is_file())
        }

        checked = machine.run(check=True)
        assert snapshot(machine.root) == before, "check mode changed something"
        in_check = {**given, **given.get("check", {})}
        if "error" in given.get("check", {}) and given["check"]["error"] is None:
            in_check.pop("error")
        if "returns" not in given.get("check", {}):
            in_check.pop("returns", None)
        machine.expect(checked, in_check)

        with watching(machine.root, monkeypatch) as watch:
            result = machine.run(check=False)
        machine.expect(result, given)
        after = snapshot(machine.root)
        if "calls" in given:
            assert machine.calls_path.read_text().splitlines() == machine.filled(given["calls"])
        machine.expect_tree(before, after, {} if "error" in given else given.get("tree", {}))
        if not given.get("programs") and "prepare" not in given:
            watch.check({path for path in after if path not in before or before[path].content != after[path].content})
        if "error" in given:
            return
        sections = strictly(result)
        if result["changed"] and given.get("tree") and "cmd" not in result:
            assert sections or "Binary files" in result["diff"], "a change without a diff"
        if "diff" not in given.get("check", {}):
            assert checked.get("diff", "") == result.get("diff", ""), "check mode announced another diff"
        for section in sections:
            path = section.new if section.new != "/dev/null" else section.old
            if Path(path).is_file() and str(machine.root) in path:
                text = _text(Path(path))
                assert section.applied(texts.get(path, "")) == text, "the diff does not make the new file of the old"

        again = machine.run(check=False)
        wanted = {"changed": False, "diff": "", **given.get("again", {})}
        if wanted["changed"]:
            wanted.pop("diff")
        machine.expect(again, wanted)
        if not wanted["changed"] and "error" not in wanted:
            assert snapshot(machine.root) == after, "the second time touched something"
