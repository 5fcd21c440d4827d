"""Certificates with their keys on disk: dated files, and a link to the present one that changes in one step."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class ToolError(Exception):
    """The certificate tool could not do what it was asked."""


async def ask_tool(action: str, **question: Any) -> dict[str, Any]:
    """Run the certificate tool; raises ToolError with its last words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kprov.kube.kubelet.certificates.tool",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    out, err = await process.communicate(json.dumps({"do": action, **question}).encode())
    if process.returncode:
        words = err.decode(errors="replace").strip().splitlines()
        raise ToolError(words[-1] if words else f"exit code {process.returncode}")
    answer: dict[str, Any] = json.loads(out)
    return answer


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that lies on disk."""

    path: Path
    not_before: float
    not_after: float
    subject: str
    names: tuple[str, ...]

    def rotate_at(self, share: float) -> float:
        """The moment when ``share`` of its life is over, in seconds since 1970."""
        return self.not_before + (self.not_after - self.not_before) * share


class CertificateStore:
    """The files of one certificate: ``PREFIX-current.pem`` links to the newest ``PREFIX-DATE.pem``."""

    def __init__(self, folder: Path, prefix: str) -> None:
        """``prefix`` is kubelet-client or kubelet-server."""
        self.folder, self.prefix = folder, prefix
        self.current = folder / f"{prefix}-current.pem"
        self.pending_key = folder / f"{prefix}.key.tmp"

    async def load(self) -> Certificate | None:
        """The present certificate, or None where there is none that can be used with its key."""
        try:
            pem = self.current.read_text()
            found = await ask_tool("describe", pem=pem)
        except (FileNotFoundError, ToolError):
            return None
        if not found["key_matches"]:
            return None
        return Certificate(
            self.current, found["not_before"], found["not_after"], found["subject"], tuple(found["names"])
        )

    async def save(self, certificate: str, key: str) -> Certificate:
        """Write a certificate and its key, and make them the present ones in one step; raises ToolError, OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / f"{self.prefix}-{datetime.now(UTC).strftime('%Y-%m-%d-%H-%M-%S')}.pem"
        write_private(target, certificate.strip() + "\n" + key.strip() + "\n")
        link = self.folder / f"{self.prefix}-updated.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        link.rename(self.current)
        _sync(self.folder)
        self.pending_key.unlink(missing_ok=True)
        found = await self.load()
        if found is None:
            raise ToolError(f"{target}: the certificate does not belong to the key")
        return found

    def save_pending_key(self, key: str) -> None:
        """Keep a key whose certificate is still to come, so that an interrupted join goes on with the same request."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_private(self.pending_key, key)

    def read_pending_key(self) -> str:
        """The key whose certificate is still to come, or an empty text."""
        try:
            return self.pending_key.read_text()
        except FileNotFoundError:
            return ""

    def drop_pending_key(self) -> None:
        """Forget a key whose request was refused."""
        self.pending_key.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace a file, or make it, whole or not at all; its owner's alone from the first byte. Raises OSError."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
