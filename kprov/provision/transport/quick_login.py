"""SSH with fewer round trips than paramiko takes by itself, and with the ciphers that cost least.

Where an answer can only be one thing for what follows to make sense, it is not waited for: sshd takes requests in
order, and whatever else it answers ends the login as it would have before.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any, cast

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from paramiko.auth_handler import AuthHandler
from paramiko.common import DEFAULT_MAX_PACKET_SIZE, DEFAULT_WINDOW_SIZE, cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST

from kprov.provision.transport.resumable import ResumableTransport
from kprov.provision.transport.target import Target


class _PromptAuthentication(AuthHandler):
    """Sends the request to log in with the request for the service that takes it."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]
        accepted = paramiko.Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]
        transport: Any = self.transport
        transport.ask_for_session()

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """The request that follows it is on its way already."""


class QuickTransport(ResumableTransport):
    """An SSH connection that logs in, and gets a session, within one round trip.

    Args:
        sock: to the server.
        sure: the first key is the only way in: a session is asked for with it. Servers take requests in order, so that
            they have let the key in when they come to the session; if they have not, the login ends anyway.
        options: Transport's.
    """

    def __init__(self, sock: Any, *, sure: bool = False, **options: Any) -> None:
        super().__init__(sock, **options)
        self._sure = sure
        self._session: tuple[paramiko.Channel, threading.Event] | None = None

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        """Log in with a key. Which signatures an RSA key may make is known only after the service was accepted."""
        if "rsa" in key.get_name() or event is not None or not self.is_active():
            return super().auth_publickey(username, key, event)
        answered = threading.Event()
        self.auth_handler = _PromptAuthentication(self)
        self.auth_handler.auth_publickey(username, key, answered)
        try:
            more: list[str] = self.auth_handler.wait_for_response(answered)
        except BaseException:
            self._session = None
            raise
        if more:
            self._session = None
        return more

    def ask_for_session(self) -> None:
        """Ask for a session before the login was answered (the transport's lock is held)."""
        if not self._sure:
            return
        self._sure = False
        inner: Any = self
        number = inner._next_channel()
        request = paramiko.Message()
        request.add_byte(cMSG_CHANNEL_OPEN)
        request.add_string("session")
        request.add_int(number)
        request.add_int(DEFAULT_WINDOW_SIZE)
        request.add_int(DEFAULT_MAX_PACKET_SIZE)
        channel = paramiko.Channel(number)
        opened = threading.Event()
        inner._channels.put(number, channel)
        inner.channel_events[number] = opened
        inner.channels_seen[number] = True
        inner_channel: Any = channel
        inner_channel._set_transport(self)
        inner_channel._set_window(DEFAULT_WINDOW_SIZE, DEFAULT_MAX_PACKET_SIZE)
        self._session = (channel, opened)
        inner._send_message(request)

    def first_session(self, timeout: float) -> paramiko.Channel:
        """The session that was asked for with the login, or a new one.

        Raises:
            SSHException: the server gives none.
        """
        if self._session is None:
            session: paramiko.Channel = self.open_session(timeout=timeout)
            return session
        channel, opened = self._session
        self._session = None
        if not opened.wait(timeout):
            raise paramiko.SSHException("Timeout opening channel.")
        known: Any = cast(Any, self)._channels
        if not self.is_active() or known.get(channel.get_id()) != channel:
            raise self.get_exception() or paramiko.SSHException("Unable to open channel.")
        return channel


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
    except Exception:
        return _read_otherwise(path)


def _read_otherwise(path: str) -> paramiko.PKey | None:
    """A third of all ECDSA keys without a comment are broken to paramiko (it takes their last byte for padding).

    None for a key that is sealed, or of another form: paramiko's own way of trying it says what is wrong.
    """
    try:
        key: Any = serialization.load_ssh_private_key(Path(path).read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return paramiko.ECDSAKey(vals=(key, key.public_key()))
        return paramiko.RSAKey(key=key) if isinstance(key, rsa.RSAPrivateKey) else None
    except Exception:
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


def is_sure(target: Target) -> bool:
    """Whether the named key is the only way in that will be tried."""
    return len(target.key_files) == 1 and target.password is None
