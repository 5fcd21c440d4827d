"""The administrator's credentials, from a kubeconfig to the files that TLS wants, for as long as they are needed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml


class KubeconfigError(Exception):
    """A kubeconfig is missing or lacks what is needed; the message names the file and what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An authority to trust, and a certificate with its key, as PEM."""

    authority: bytes
    certificate: bytes
    key: bytes

    @contextmanager
    def files(self) -> Iterator[tuple[Path, Path, Path]]:
        """The three as files that only this user can read, for the time of the block (ssl loads from files only)."""
        with TemporaryDirectory(prefix="kprov-") as folder:
            paths = []
            for name, content in (("ca", self.authority), ("certificate", self.certificate), ("key", self.key)):
                path = Path(folder) / name
                path.touch(mode=0o600)
                path.write_bytes(content)
                paths.append(path)
            yield paths[0], paths[1], paths[2]


def read_kubeconfig(path: Path) -> Credentials:
    """The credentials in a kubeconfig that kprov wrote.

    Raises:
        KubeconfigError: it is not there, or is not one of kprov's.
    """
    try:
        content = yaml.safe_load(path.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        return Credentials(
            base64.b64decode(cluster["certificate-authority-data"]),
            base64.b64decode(user["client-certificate-data"]),
            base64.b64decode(user["client-key-data"]),
        )
    except FileNotFoundError:
        raise KubeconfigError(f"{path} is missing: raise the cluster with kprov up first") from None
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path} is not a kubeconfig of kprov's: {error!r}; kprov up writes it again") from None
