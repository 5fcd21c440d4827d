"""What a machine sends, taken apart with distrust: frames of a known shape, of bounded size, in bounded time.

A machine may be broken into, or something else than kprov's agent may answer there. Whatever it sends, the controller
neither waits without end nor holds more than a few megabytes of it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import orjson

from kprov.provision.agent import wire

# Answers to what was sent in one go, together.
LARGEST_BATCH = 128 * 1024 * 1024

# Whatever was begun goes on at no less than this pace, bytes a second.
SLOWEST = 4096

# The agent says now and then that it is there; one that says little else keeps the controller from its work.
BEATS_AT_ONCE = 30


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _value(text: bytes) -> Any:
    """A JSON text's value, as Python's own decoder has it. Raises ValueError, RecursionError."""
    if _LONG_NUMBER.search(text) is None:  # which orjson would round
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # texts that are no Unicode, or what is wrong in Python's words
    return _DECODER.decode(text.decode())


class Lie(Exception):
    """What arrived is not what kprov's agent says.

    Args:
        what: as a verb with its object, after the machine's name: "sent ...".
    """


class Inbound:
    """One machine's stream of frames.

    Args:
        patience: seconds that a frame may take before its pace is looked at.
        clock: tells seconds.
    """

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._received = bytearray()
        self._begun = 0.0  # when the first byte of the frame that is not whole yet was there
        self._awaited: set[int] = set()
        self._batch = 0
        self._beats = 0
        self._since = clock()

    def expect(self, number: int) -> None:
        """A request went out: its result may come, once."""
        if not self._awaited:
            self._batch = 0
        self._awaited.add(number)

    @property
    def is_busy(self) -> bool:
        """Whether an answer, or the rest of one, has still to come."""
        return bool(self._awaited or self._received)

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take bytes.

        Returns:
            The frames that are whole now, without those that only say that the agent is there.

        Raises:
            Lie: this is not kprov's agent.
        """
        if not self._received:
            self._begun = self._clock()
        self._received += data
        found = []
        while (text := self._cut()) is not None:
            frame = self._checked(text)
            if frame["op"] != "alive":
                found.append(frame)
        self.check_pace()
        return found

    def check_pace(self) -> None:
        """Whether the frame that is under way comes fast enough.

        Raises:
            Lie: it does not.
        """
        if self._received:
            taken = self._clock() - self._begun
            if taken > self._patience + len(self._received) / SLOWEST:
                raise Lie(f"began an answer and did not end it: {len(self._received)} bytes in {taken:.0f} s")

    def _cut(self) -> bytes | None:
        """One frame's text, when it is whole."""
        size = wire.HEADER.size
        if len(self._received) < size:
            return None
        text_length, body_length = wire.HEADER.unpack_from(self._received)
        if body_length or not 2 <= text_length <= wire.LARGEST_RESULT:
            start = bytes(self._received[:40])
            raise Lie(f"sent what is no answer of an agent (it begins {start!r})")
        if len(self._received) < size + text_length:
            return None
        text = bytes(self._received[size : size + text_length])
        del self._received[: size + text_length]
        self._begun = self._clock()
        return text

    def _checked(self, text: bytes) -> dict[str, Any]:
        excess = wire.excess(text)
        if excess:
            raise Lie(f"sent an answer of {excess}")
        try:
            frame = _value(text)
        except (ValueError, RecursionError) as error:
            raise Lie(f"sent an answer that is no JSON ({type(error).__name__}: {str(error)[:100]})") from None
        if not isinstance(frame, dict):
            raise Lie("sent an answer that is no JSON object")
        operation = frame.get("op")
        if operation == "result":
            self._check_result(frame, text)
        elif operation == "need":
            sha256 = frame.get("sha256")
            if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
                raise Lie(f"asked for a content by {str(sha256)[:80]!r}, which is no SHA-256")
        elif operation == "alive":
            self._beats += 1
            if self._beats > BEATS_AT_ONCE + (self._clock() - self._since):
                raise Lie(f"said {self._beats} times in {self._clock() - self._since:.0f} s that it is there")
        else:
            raise Lie(f"sent a message of unknown kind {str(operation)[:80]!r}")
        return frame

    def _check_result(self, frame: dict[str, Any], text: bytes) -> None:
        number = frame.get("id")
        if type(number) is not int or number not in self._awaited:
            raise Lie(f"answered request {str(number)[:20]}, which was not sent or was answered already")
        if not isinstance(frame.get("result"), dict):
            raise Lie(f"answered request {number} without a result")
        seconds = frame.get("seconds", 0.0)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
            raise Lie(f"says that request {number} took {str(seconds)[:20]} seconds")
        if wire.too_deep(frame["result"], text):
            raise Lie(f"answered request {number} with values nested deeper than {wire.DEEPEST}")
        self._awaited.discard(number)
        self._batch += len(text)
        if self._batch > LARGEST_BATCH:
            raise Lie(f"answered with more than {LARGEST_BATCH >> 20} MB in all to what was asked in one go")
