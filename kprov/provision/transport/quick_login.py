"""SSH with fewer round trips than paramiko takes by itself, and with the ciphers that cost least.

Where an answer can only be one thing for what follows to make sense, it is not waited for: sshd takes requests in
order, and whatever else it answers ends the login as it would have before.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_CHANNEL_REQUEST

from kprov.provision.transport.guarded import BoundedTransport

# One pass of the processor's own instructions encrypts and authenticates; paramiko compares other checksums in Python,
# byte by byte.
_CHEAP = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

_CIPHERS: tuple[str, ...] = paramiko.Transport._preferred_ciphers  # type: ignore[attr-defined]


class _PromptAuthentication(AuthHandler):
    """Sends the request to log in with the request for the service that takes it."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """The request that follows it is on its way already."""


class QuickTransport(BoundedTransport):
    """An SSH connection that logs in within one round trip."""

    _preferred_ciphers = (*_CHEAP, *(name for name in _CIPHERS if name not in _CHEAP))

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        """Log in with a key. Which signatures an RSA key may make is known only after the service was accepted."""
        if "rsa" in key.get_name() or event is not None or not self.is_active():
            return super().auth_publickey(username, key, event)
        answered = threading.Event()
        self.auth_handler = _PromptAuthentication(self)
        self.auth_handler.auth_publickey(username, key, answered)
        allowed: list[str] = self.auth_handler.wait_for_response(answered)
        return allowed


def run_program(channel: paramiko.Channel, command: str) -> None:
    """Start a program without waiting for sshd to say that it did: if it did not, the channel ends."""
    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(True)
    request.add_string(command)
    transport: Any = channel.get_transport()
    transport._send_user_message(request)


@functools.lru_cache(maxsize=64)
def _read(path: str, changed: int) -> paramiko.PKey | None:
    try:
        return paramiko.PKey.from_path(path)
    except Exception:  # sealed, or of another form: paramiko's own way of trying it says what is wrong
        return None


def private_key(path: str) -> paramiko.PKey | None:
    """A private key, read once for all hosts; None where paramiko must find its way (sealed, or with a certificate)."""
    if Path(path + "-cert.pub").exists():
        return None
    return _read(path, Path(path).stat().st_mtime_ns)


def login_options(key_files: tuple[str, ...]) -> dict[str, Any]:
    """What paramiko's connect() takes to log in with these keys."""
    if len(key_files) == 1:
        key = private_key(key_files[0])
        if key is not None:
            return {"pkey": key}
    return {"key_filename": list(key_files)} if key_files else {}
