"""Private keys as ssh-keygen makes them, those that paramiko stumbles over included."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kprov.provision.transport.quick_login import private_key


@pytest.mark.parametrize("comment", ["", "me@here"])
def test_every_ecdsa_key_can_be_read(tmp_path: Path, comment: str) -> None:
    for number in range(12):
        path = tmp_path / str(number)
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-C", comment, "-f", str(path)], check=True)
        key = private_key(str(path))
        assert key is not None and key.get_base64() == path.with_suffix(".pub").read_text().split()[1]
