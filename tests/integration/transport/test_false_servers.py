"""SSH servers that do not work, or lie: each told apart within the time that a login may take, and in little memory."""

from __future__ import annotations

import re
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import false_servers as false
import pytest
from private_sshd import key

from kprov.provision.transport.connect import connect
from kprov.provision.transport.errors import ConnectionLost, ProtocolBroken, TimedOut, TurnedAway, Unreachable
from kprov.provision.transport.target import Target

LOGIN = 4.0

NO_SERVER = "no SSH server"
# What serves, the exception, its words.
CASES: list[tuple[Callable[[socket.socket], None], type[Unreachable], str]] = [
    (false.silent, TimedOut, "no SSH server answered within 4 s"),
    (false.closes_at_once, TurnedAway, "closes them before it says anything"),
    (false.banner_without_end, Unreachable, NO_SERVER),
    (false.lines_without_end, Unreachable, NO_SERVER),
    (false.banner_in_drops, TimedOut, "did not come to an end with the login"),
    (false.another_protocol, Unreachable, NO_SERVER),
    (false.garbage_after_the_banner, Unreachable, "SSH"),
    (false.a_packet_of_four_gigabytes, Unreachable, "a packet of"),
    (false.nothing_after_the_banner, TimedOut, "did not come to an end with the login"),
    (false.closes_amid_the_key_exchange, ConnectionLost, "ended the connection"),
    (false.hangs_in_the_login, TimedOut, "did not come to an end with the login"),
    (false.hangs_in_the_channel, TimedOut, "did not come to an end with the login"),
    (false.hangs_before_the_program, TimedOut, "did not (come to an end|start)"),
    (false.ends_after_the_program, ConnectionLost, ""),
    (false.floods_without_leave, ProtocolBroken, "what is no answer of an agent"),
]


def _greet(target: Target) -> None:
    link = connect(target)
    try:
        link.call("hello")
    finally:
        link.close()


@pytest.mark.parametrize(("serve", "kind", "words"), CASES, ids=[row[0].__name__ for row in CASES])
def test_it_is_told_apart_in_time(
    serve: Callable[[socket.socket], None], kind: type[Unreachable], words: str, tmp_path: Path
) -> None:
    host_key = f"{false.HOST_KEY.get_name()} {false.HOST_KEY.get_base64()}"
    client_key = str(key(tmp_path / "key"))
    with false.serving(serve) as port:
        target = Target(
            "m1",
            "127.0.0.1",
            port,
            key_files=(client_key,),
            pinned_key=host_key,
            connect_timeout=2,
            login_timeout=LOGIN,
            silence_timeout=LOGIN,
        )
        tracemalloc.start()
        began = time.monotonic()
        try:
            with pytest.raises(Unreachable) as caught:
                _greet(target)
        finally:
            took, most = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert isinstance(caught.value, kind) and re.search(words, caught.value.message), repr(caught.value)
    assert took < LOGIN + 6 and most < 64 << 20, (took, most)
