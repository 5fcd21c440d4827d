"""fetch: a file of the machine comes to the controller, where the one there differs."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kprov.provision.agent import atomic, diffs
from kprov.provision.agent.attributes import Wanted
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter
from kprov.provision.engine.errands.machine import ErrandFailed, Machine

PARAMETERS = {
    "src": Parameter("str", required=True),
    "dest": Parameter("str", required=True),
    "flat": Parameter("bool", default=False),
    "fail_on_missing": Parameter("bool", default=True),
    "validate_checksum": Parameter("bool", default=True),
}
EXPLAINED = {
    "src": "the file on the machine.",
    "dest": "the folder of the controller below which it is kept as HOST/PATH.",
    "flat": "`dest` is the file itself; where it ends with `/`, the folder that the file goes into.",
    "fail_on_missing": "false: a file that is not there, or cannot be read, is no failure.",
    "validate_checksum": "what has arrived must be what was there when it was looked at.",
}
RETURNS = {
    "dest": "the file on the controller.",
    "file": "the file on the machine, where it did not have to come.",
    "checksum": "its SHA-1.",
    "md5sum": "its MD5.",
    "remote_checksum": "the SHA-1 of the file on the machine.",
}

# What is asked for at once: a result of this size is far from the largest that is taken.
PIECE = 6 * 1024 * 1024
# A log may grow while it is fetched; what grows faster than it comes would fill the controller's disk.
_GROWS = 1024 * 1024 * 1024
# Larger files are shown in diffs by their size only.
_SHOWN = 256 * 1024


@dataclass(frozen=True)
class _Source:
    """The file on the machine: its path there, its SHA-1 (empty where that can't be told) and its size."""

    machine: Machine
    path: str
    checksum: str
    size: int

    def piece(self, offset: int) -> bytes:
        """A part of it; one that is shorter than PIECE is the last."""
        answer = self.machine.ask("slurp", src=self.path, _offset=offset, _most=PIECE)
        if answer.get("failed"):
            raise ErrandFailed(str(answer.get("msg")), file=self.path)
        return base64.b64decode(answer["content"])


def run(given: dict[str, Any], machine: Machine) -> dict[str, Any]:
    """Bring it, or in check mode say whether it would be brought."""
    source = _look(given, machine)
    if source is None:
        words = "the remote file does not exist, not transferring, ignored"
        return {"changed": False, "file": given["src"], "msg": words}
    place = _destination(given, machine, source.path)
    if place.is_dir():
        raise ErrandFailed(f"{place} on the controller is a folder: end dest with a slash to fetch into it")
    if source.checksum and _digest(place, "sha1") == source.checksum:
        return {"changed": False, "file": source.path, **_described(place, source.checksum)}
    before, shown = _text(place), machine.diff and source.size <= _SHOWN
    if machine.check:
        after = source.piece(0) if shown else None
        result: dict[str, Any] = {"dest": str(place), "checksum": source.checksum, "md5sum": None}
    else:
        checksum = _bring(source, place, bool(given["validate_checksum"]))
        after = _text(place) if shown else None
        result = {**_described(place, checksum), "remote_md5sum": None}
    result.update(changed=True, remote_checksum=source.checksum or result["checksum"])
    if machine.diff:
        result["diff"] = _diff(before, after, place, source.size)
    return result


def _look(given: dict[str, Any], machine: Machine) -> _Source | None:
    """The file; None where it need not be there, and is not."""
    answer = machine.ask("stat", path=given["src"], follow=True)
    found = answer.get("stat") or {}
    wrong = ""
    if answer.get("failed"):
        wrong = str(answer.get("msg"))
    elif not found.get("exists"):
        wrong = f"{given['src']} does not exist on {machine.name}"
    elif not found.get("isreg"):
        kind = "a folder" if found.get("isdir") else "no file"
        wrong = f"{given['src']} on {machine.name} is {kind}, and fetch brings files"
    elif not found.get("readable"):
        wrong = f"{given['src']} on {machine.name} may not be read by this user"
    if wrong and given["fail_on_missing"]:
        raise ErrandFailed(wrong, file=given["src"])
    return None if wrong else _Source(machine, str(found["path"]), str(found.get("checksum") or ""), int(found["size"]))


def _destination(given: dict[str, Any], machine: Machine, source: str) -> Path:
    dest = str(given["dest"])
    try:
        place = machine.directory / Path(dest).expanduser()
    except RuntimeError as error:
        raise ErrandFailed(f"dest {dest}: {error}") from None
    if given["flat"]:
        return place / Path(source).name if dest.endswith("/") else place
    folder = place / machine.name
    path = Path(os.path.normpath(f"{folder}/{source}"))
    if machine.name in ("..", ".") or Path(os.path.normpath(folder)) not in path.parents:
        raise ErrandFailed(f"{given['src']} of {machine.name} would be kept outside of {place}: write it without ..")
    return path


def _bring(source: _Source, place: Path, validate: bool) -> str:
    """Write it beside its place, and rename it there. Returns: its SHA-1."""
    digest = hashlib.sha1(usedforsecurity=False)

    def fill(stream: BinaryIO) -> None:
        offset = 0
        while True:
            data = source.piece(offset)
            stream.write(data)
            digest.update(data)
            offset += len(data)
            if len(data) < PIECE:
                break
            if offset > source.size + _GROWS:
                raise ErrandFailed(
                    f"{source.path} on {source.machine.name} does not end: it was {source.size} bytes long, and "
                    f"{offset} have come",
                    file=source.path,
                )
        # One piece was read at once, whatever had become of the file since it was looked at.
        if validate and offset >= PIECE and source.checksum and digest.hexdigest() != source.checksum:
            raise ErrandFailed(
                f"checksum mismatch: {source.path} on {source.machine.name} was changed while it was fetched",
                file=source.path,
                dest=str(place),
                checksum=digest.hexdigest(),
                remote_checksum=source.checksum,
            )

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        room = shutil.disk_usage(place.parent).free
        if source.size > room:
            raise ErrandFailed(f"{place.parent} on the controller has no room for {source.size} bytes: {room} are free")
        atomic.replace(os.path.realpath(place), fill, Wanted({}), default_mode=0o666 & ~_UMASK)
    except OSError as error:
        raise ErrandFailed(f"{place.parent} on the controller: {error.strerror or error}") from None
    except ModuleFailed as failure:
        raise ErrandFailed(f"on the controller: {failure.message}") from None
    return digest.hexdigest()


def _described(place: Path, checksum: str) -> dict[str, Any]:
    return {"dest": str(place), "checksum": checksum, "md5sum": _digest(place, "md5")}


def _digest(path: Path, algorithm: str) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError:
        return None


def _text(path: Path) -> bytes | None:
    """A file's content for a diff, None where there is none, or too much."""
    try:
        return path.read_bytes() if path.stat().st_size <= _SHOWN else None
    except OSError:
        return None


def _diff(before: bytes | None, after: bytes | None, place: Path, size: int) -> str:
    there = place.exists()
    if after is None or (before is None and there and place.stat().st_size > _SHOWN):
        name = str(place) if there else "/dev/null"
        return diffs.differ(name, place.stat().st_size if there else 0, str(place), size)
    return diffs.unified(before, after, str(place))


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# Read once, while there is one thread: it can only be read by setting it.
_UMASK = _umask()
