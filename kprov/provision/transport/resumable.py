"""An SSH connection that one process lays down and another takes up: its socket, and what both sides agreed on.

Nothing is sent for it, and the server sees no difference. Only connections by AES-GCM can change hands: all of their
state is two keys and two counters. Whoever has taken a connection up is the only one who has it: a counter that was
used twice would give the content away.
"""

from __future__ import annotations

import socket
from typing import Any, cast

import paramiko

from kprov.provision.transport.guarded import BoundedPacketizer, BoundedTransport, GuardedSocket

State = dict[str, Any]

# One pass of the processor's own instructions encrypts and authenticates; paramiko compares other checksums in Python,
# byte by byte.
_CHEAP = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")

_CIPHERS: tuple[str, ...] = paramiko.Transport._preferred_ciphers  # type: ignore[attr-defined]

# What a packetizer counts, by paramiko's names, for each direction.
_COUNTERS = ("sequence_number", "iv")
_SINCE_KEYS = ("sent_bytes", "sent_packets", "received_bytes", "received_packets")
_AGREED = ("local_version", "remote_version", "agreed_on_strict_kex", "local_cipher", "remote_cipher", "host_key_type")
_CHANNEL = (
    "remote_chanid",
    "in_window_size",
    "in_max_packet_size",
    "in_window_threshold",
    "in_window_sofar",
    "out_window_size",
    "out_max_packet_size",
)


class LaidDown(EOFError):
    """The connection goes on without this process."""


class NotResumable(Exception):
    """This connection cannot change hands."""


def _hex(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


class ResumableTransport(BoundedTransport):
    """An SSH connection that can be laid down.

    Args:
        sock: to the server.
        options: Transport's.
    """

    _preferred_ciphers = (*_CHEAP, *(name for name in _CIPHERS if name not in _CHEAP))

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, **options)
        self._leaving = False
        self._laid_down: tuple[socket.socket, State] | None = None
        self._why_not: Exception | None = None
        self._keys: dict[Any, bytes] = {}

    def _get_engine(self, name: str, key: bytes, iv: Any = None, operation: Any = None, aead: bool = False) -> Any:
        self._keys[operation] = key
        return super()._get_engine(name=name, key=key, iv=iv, operation=operation, aead=aead)  # type: ignore[misc]

    def leave(self) -> None:
        """Let the thread that reads stop between two packets. Nothing may be sent any more."""
        self._leaving = True
        # paramiko looks for new keys to agree on between two packets, and nowhere else.
        cast(Any, self.packetizer)._trigger_rekey()

    def _send_kex_init(self) -> None:
        if not self._leaving:
            super()._send_kex_init()  # type: ignore[misc]
            return
        if not cast(GuardedSocket, self.sock).is_empty:
            return  # asked again after the next packet
        try:
            state = self._state()
            self._laid_down = cast(GuardedSocket, self.sock).release(), state
        except Exception as error:
            self._why_not = error
        raise LaidDown

    def _negotiate_keys(self, message: paramiko.Message) -> None:
        """The server asks for new keys: none are agreed on by one who leaves."""
        if self._leaving:
            self._why_not = NotResumable("the server asks for new keys just now")
            raise self._why_not
        super()._negotiate_keys(message)  # type: ignore[misc]

    def _parse_newkeys(self, message: paramiko.Message) -> None:
        super()._parse_newkeys(message)  # type: ignore[misc]
        if self._leaving:  # new keys that were under way have answered the question
            cast(Any, self.packetizer)._trigger_rekey()

    def laid_down(self, seconds: float) -> tuple[socket.socket, State]:
        """What another process takes it up with, once the thread that reads has stopped.

        Args:
            seconds: to wait for the thread.

        Raises:
            NotResumable: it goes on, or it is broken off, or cannot change hands.
        """
        self.join(seconds)
        if self.is_alive() or self._laid_down is None:
            raise NotResumable(str(self._why_not or "its thread does not stop"))
        return self._laid_down

    def _only_channel(self) -> Any:
        channels = cast(Any, self)._channels.values()
        if len(channels) != 1:
            raise NotResumable(f"it has {len(channels)} channels")
        channel = channels[0]
        unread = len(channel.in_buffer) + len(channel.in_stderr_buffer)
        if channel.closed or channel.eof_received or unread:
            raise NotResumable("its channel has ended, or something in it was not read")
        return channel

    def _state(self) -> State:
        inner: Any = self
        channel = self._only_channel()
        packets = {name.removeprefix("_Packetizer__"): value for name, value in vars(self.packetizer).items()}
        if not (packets["aead_in"] and packets["aead_out"]) or packets["compress_engine_out"] is not None:
            raise NotResumable(f"its cipher is {inner.remote_cipher}")
        if packets["remainder"]:
            raise NotResumable("something that came was not read")
        return {
            **{name: getattr(inner, name) for name in _AGREED},
            "session_id": inner.session_id.hex(),
            "host_key": inner.host_key.asbytes().hex(),
            "key_out": self._keys[inner._ENCRYPT].hex(),
            "key_in": self._keys[inner._DECRYPT].hex(),
            **{f"{name}_{way}": _hex(packets[f"{name}_{way}"]) for name in _COUNTERS for way in ("in", "out")},
            **{name: packets[name] for name in _SINCE_KEYS},
            "chanid": channel.chanid,
            **{name: getattr(channel, name) for name in _CHANNEL},
        }


class _ResumedPacketizer(BoundedPacketizer):
    """Says nothing until its connection is put together: paramiko would begin with a banner."""

    silent = True

    def write_all(self, out: Any) -> None:
        """Send all of it."""
        if not self.silent:
            super().write_all(out)


class ResumedTransport(ResumableTransport):
    """A connection that another process laid down.

    Args:
        guard: its socket.
        state: as `laid_down` gave it.
    """

    packetizer_class = _ResumedPacketizer

    def __init__(self, guard: GuardedSocket, state: State) -> None:
        super().__init__(guard)
        self._under_way = False
        inner: Any = self
        for name in _AGREED:
            setattr(self, name, state[name])
        inner.session_id = bytes.fromhex(state["session_id"])
        inner.host_key = paramiko.PKey.from_type_string(state["host_key_type"], bytes.fromhex(state["host_key"]))
        inner.initial_kex_done = inner.authenticated = True
        self._restore_packetizer(state)
        channel: Any = paramiko.Channel(state["chanid"])
        channel._set_transport(self)
        for name in _CHANNEL:
            setattr(channel, name, state[name])
        channel.active = 1
        inner._channels.put(channel.chanid, channel)
        inner.channels_seen[channel.chanid] = True
        inner._channel_counter = channel.chanid + 1
        self.channel: paramiko.Channel = channel

    def _restore_packetizer(self, state: State) -> None:
        inner, packetizer = cast(Any, self), cast(Any, self.packetizer)
        packetizer._initial_kex_done = True
        ways = (("in", inner.remote_cipher, inner._DECRYPT), ("out", inner.local_cipher, inner._ENCRYPT))
        for way, cipher, operation in ways:
            iv, key = bytes.fromhex(state[f"iv_{way}"]), bytes.fromhex(state[f"key_{way}"])
            engine = inner._get_engine(name=cipher, key=key, iv=iv, operation=operation, aead=True)
            use = packetizer.set_inbound_cipher if way == "in" else packetizer.set_outbound_cipher
            size = inner._cipher_info[cipher]["block-size"]
            use(engine, size, None, 16, None, aead=True, **{f"iv_{way}": iv})
            setattr(packetizer, f"_Packetizer__sequence_number_{way}", state[f"sequence_number_{way}"])
        for name in _SINCE_KEYS:
            setattr(packetizer, f"_Packetizer__{name}", state[name])

    def resume(self) -> None:
        """Begin to read."""
        self.active = True
        self.start()

    # What paramiko's thread begins with has been done, by another process.

    def _check_banner(self) -> None:
        pass

    def _send_kex_init(self) -> None:
        if self._under_way:
            super()._send_kex_init()

    def _expect_packet(self, *kinds: int) -> None:
        if self._under_way:
            super()._expect_packet(*kinds)  # type: ignore[misc]
            return
        self._under_way = True
        cast(_ResumedPacketizer, self.packetizer).silent = False
        self.clear_to_send.set()
