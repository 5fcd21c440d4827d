"""Where artifacts lie: each under its own hash, so that a file is either whole and right or not there at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kprov.provision import atomic
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Artifact, Manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """A folder with artifacts, the manifest over them, and a cache of what they are made from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self._files = folder / "store"
        self._manifest = folder / "manifest.json"
        self._verified = folder / "verified.json"

    @contextmanager
    def locked(self, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Hold the store for one change of it; another process waits for its turn, and ``say`` is told for whom."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "another process"
                say(f"waiting for {holder}, which works on the bundle in {self.folder}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(f"process {os.getpid()}")
            lock.flush()
            for folder in (self._files, self.cache):
                folder.mkdir(exist_ok=True)
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the same disk for work in progress; gone afterwards."""
        with tempfile.TemporaryDirectory(prefix=".work-", dir=self.folder) as folder:
            yield Path(folder)

    def clear_scratch(self) -> None:
        """Remove work that a killed build left. Only while the lock is held."""
        for stale in self.folder.glob(".work-*"):
            shutil.rmtree(stale, ignore_errors=True)

    def path_of(self, sha256: str, file: str) -> Path:
        """Where the artifact of that hash lies. Its name keeps the file's own ending, for the tools that read it."""
        return (
            self._files / f"{sha256}{''.join(Path(file).suffixes[-2:]) if file.endswith('.gz') else Path(file).suffix}"
        )

    def add(self, source: Path, file: str) -> Artifact:
        """Take a finished file in (it is moved). Returns it as an artifact called ``file``."""
        digest = sha256_of(source)
        target = self.path_of(digest, file)
        size = source.stat().st_size
        with open(source, "rb") as written:
            os.fsync(written.fileno())  # a power cut must not leave a name without its content
        source.replace(target)
        return Artifact(sha256=digest, size=size, file=file, path=target)

    def holds(self, artifacts: Iterable[Artifact]) -> bool:
        """Whether all of them are there with their right size."""
        return all(each.path.is_file() and each.path.stat().st_size == each.size for each in artifacts)

    def save(self, manifest: Manifest) -> None:
        """Write the manifest, at once or not at all, and remove artifacts that neither it nor the last one names.

        The last manifest's artifacts stay, for a run that is just shipping them.
        """
        text = manifest.to_text()
        try:
            last = self._manifest.read_text()
        except FileNotFoundError:
            last = text
        if last != text or not self._manifest.exists():
            atomic.write(self._manifest, text)
            kept = {each.path for each in manifest.artifacts()}
            try:
                kept |= {each.path for each in Manifest.from_text(last, self.path_of).artifacts()}
            except (ValueError, KeyError, TypeError):
                pass  # an older format: nothing reads it any more
            for path in self._files.iterdir():
                if path not in kept:
                    path.unlink()

    def load(self) -> Manifest | None:
        """The manifest, or None where there is none that this kprov can read."""
        try:
            return Manifest.from_text(self._manifest.read_text(), self.path_of)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def verify(self, artifacts: Iterable[Artifact]) -> None:
        """Check every artifact against its hash. Raises BundleError naming the wrong ones.

        A file whose inode, size and time of change are those of its last check is not read again.
        """
        try:
            seen = json.loads(self._verified.read_text())
        except (FileNotFoundError, ValueError):
            seen = {}
        wrong, now = [], {}
        for each in artifacts:
            try:
                status = each.path.stat()
            except FileNotFoundError:
                wrong.append(f"{each.file} is missing")
                continue
            stamp = [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            if seen.get(each.sha256) != stamp and (status.st_size != each.size or sha256_of(each.path) != each.sha256):
                wrong.append(f"{each.file} is damaged")
                continue
            now[each.sha256] = stamp
        if wrong:
            raise BundleError(f"bundle {self.folder}: {'; '.join(wrong)}. Repair it with: kprov bundle build")
        if now != seen:
            try:
                atomic.write(self._verified, json.dumps(now))
            except OSError:
                pass  # a bundle that we may only read is checked in full each time
