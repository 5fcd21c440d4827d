"""One machine's agent, as the controller speaks with it: started, greeted, sent to work, listened to."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from kprov.provision.agent import wire
from kprov.provision.transport import bootstrap
from kprov.provision.transport.errors import ConnectionLost, PythonMissing, SudoRefused, TimedOut
from kprov.provision.transport.target import Target

OLDEST_PYTHON = (3, 9)

# How long Python may take to start on a machine that is busy.
START = 30.0


class Pipe(Protocol):
    """A started program: bytes in, bytes out. Local process or SSH channel."""

    def write(self, data: bytes) -> None:
        """Send all of it. Raises OSError or EOFError when the program is gone."""

    def read(self, timeout: float | None) -> bytes:
        """Some bytes; b"" at the end. Raises TimeoutError."""

    def ready(self) -> bool:
        """Whether read() would return at once."""

    def errors(self) -> bytes:
        """Standard error so far (its end)."""

    def exit_code(self) -> int | None:
        """The program's exit code once it has ended (waits a moment for it)."""

    def close(self) -> None:
        """End it."""


class AgentLink:
    """A running agent.

    Args:
        target: the machine.
        pipe: the program that `bootstrap.command` started.
    """

    def __init__(self, target: Target, pipe: Pipe) -> None:
        self.target = target
        self.greeting: bootstrap.Greeting | None = None
        self._pipe = pipe
        self._received = bytearray()
        self._outgoing = bytearray()
        self._send_lock = threading.Lock()
        self._next_id = 0
        self._sources: dict[str, bytes | Path] = {}
        self._results: dict[int, dict[str, Any]] = {}
        self.round_trips = 0
        self.closed = False

    # -- starting

    def start(self) -> None:
        """Wait for the bootstrap's greeting and send the agent.

        Raises:
            PythonMissing, SudoRefused, TimedOut, ConnectionLost: told apart by what the machine said.
        """
        deadline = time.monotonic() + max(START, self.target.connect_timeout)
        received = b""
        asked = 0
        while True:
            try:
                data = self._pipe.read(0.2)
            except TimeoutError:
                data = None
            if data == b"":
                raise self._why_not_started(received)
            received += data or b""
            found = bootstrap.read_greeting(received)
            if found is not None:
                break
            prompts = self._pipe.errors().count(bootstrap.SUDO_PROMPT.encode())
            if prompts > asked:
                asked = prompts
                if asked > 1 or self.target.become_password is None:
                    raise SudoRefused(
                        f"sudo refused the password of {self.target.user}: correct ansible_become_password"
                    )
                self._pipe.write(self.target.become_password.encode() + b"\n")
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"{self.target.python} did not start within {START:g} s: is the machine overloaded or its disk "
                    f"stuck?"
                )
        self.greeting, rest = found
        if self.greeting.version < OLDEST_PYTHON:
            version = ".".join(map(str, self.greeting.version))
            raise PythonMissing(
                f"{self.target.python} is Python {version}; 3.9 or newer is needed: install it or name another by "
                f"ansible_python_interpreter"
            )
        self._received += rest
        self._write(bootstrap.archive(self.greeting.magic))

    def _why_not_started(self, printed: bytes) -> Exception:
        """What the machine said instead of the greeting, in terms of what to do."""
        code = self._pipe.exit_code()
        words = self._pipe.errors().decode(errors="replace").replace(bootstrap.SUDO_PROMPT, "").strip()
        target, low = self.target, words.lower()
        python_named = target.python.lower() in low
        if code == 1 and b"account is currently not available" in printed:
            return PythonMissing(
                f"the login shell of {target.user} on {target.name} does not run commands: give it one "
                f"(chsh -s /bin/sh {target.user}) or connect as another user"
            )
        if "password is required" in low or "a terminal is required" in low:
            return SudoRefused(
                f"sudo on {target.name} asks {target.user} for a password: set ansible_become_password or allow "
                f"{target.user} NOPASSWD"
            )
        if "not in the sudoers" in low or "not allowed to execute" in low or "may not run sudo" in low:
            return SudoRefused(f"{target.user} may not use sudo on {target.name}: add it to sudoers or connect as root")
        if "incorrect password" in low or "sorry, try again" in low:
            return SudoRefused(f"sudo refused the password of {target.user}: correct ansible_become_password")
        if ("sudo" in low and not python_named) and ("not found" in low or code == 127):
            return SudoRefused(
                f"there is no sudo on {target.name} and {target.user} is not root: install sudo or connect as root"
            )
        if code == 127 or "not found" in low or "no such file" in low:
            return PythonMissing(
                f"there is no {target.python} on {target.name}: install it (Debian: apt-get install python3) "
                "or say where it is by ansible_python_interpreter"
            )
        tail = (words or printed.decode(errors="replace").strip())[-300:] or "nothing"
        return ConnectionLost(f"the agent did not start on {target.name} (exit code {code}); the machine said: {tail}")

    # -- sending

    def _write(self, data: bytes) -> None:
        try:
            with self._send_lock:
                self._pipe.write(data)
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def _lost(self, cause: object = None) -> ConnectionLost:
        words = self._pipe.errors().decode(errors="replace").strip().splitlines()
        detail = words[-1] if words else (str(cause) if cause else "it was closed on the other side")
        return ConnectionLost(
            f"the connection to {self.target.name} was lost ({detail}); run the same command again to go on"
        )

    def alive(self) -> None:
        """Tell the agent that the controller is still there (any thread.

        Passes when something is being sent, which says the same).
        """
        if self.closed or not self._send_lock.acquire(blocking=False):
            return
        try:
            self._pipe.write(wire.encode({"op": "alive"}))
        except (OSError, EOFError):
            pass
        finally:
            self._send_lock.release()

    def offer(self, sha256: str, source: bytes | Path) -> None:
        """Have a content at hand in case the agent asks for it."""
        self._sources[sha256] = source

    def post(self, operation: str, **message: Any) -> int:
        """Put a request in line; it goes out with the next `flush` or `wait`.

        Returns:
            The number to wait for.
        """
        self._next_id += 1
        self._outgoing += wire.encode({"op": operation, "id": self._next_id, **message})
        if len(self._outgoing) > 64 * 1024:
            self.flush()
        return self._next_id

    def flush(self) -> None:
        """Send what is in line."""
        if self._outgoing:
            data = bytes(self._outgoing)
            self._outgoing.clear()
            self._write(data)

    # -- receiving

    def poll(self, deliver: Callable[[int, dict[str, Any]], None] | None = None) -> None:
        """Take what has arrived, without waiting."""
        while self._pipe.ready():
            self._receive(0.0)
        self._deliver(deliver)

    def wait(self, number: int, timeout: float | None = None) -> dict[str, Any]:
        """Wait for an answer, serving contents that the agent asks for meanwhile.

        Returns:
            {"result": ..., "seconds": ...}.

        Raises:
            ConnectionLost: the connection ended before.
            TimedOut: no answer in time.
        """
        if self._outgoing:
            self.round_trips += 1
        self.flush()
        deadline = None if timeout is None else time.monotonic() + timeout
        while number not in self._results:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise TimedOut(f"{self.target.name} gave no answer within {timeout:g} s")
            self._receive(remaining)
        return self._results.pop(number)

    def call(self, operation: str, timeout: float | None = None, **message: Any) -> dict[str, Any]:
        """Ask and wait."""
        result: dict[str, Any] = self.wait(self.post(operation, **message), timeout)["result"]
        return result

    def _deliver(self, deliver: Callable[[int, dict[str, Any]], None] | None) -> None:
        if deliver is not None:
            for number in sorted(self._results):
                deliver(number, self._results.pop(number))

    def _receive(self, timeout: float | None) -> None:
        try:
            data = self._pipe.read(timeout)
        except TimeoutError:
            return
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        if not data:
            raise self._lost()
        self._received += data
        while True:
            frame = self._cut_frame()
            if frame is None:
                return
            if frame["op"] == "result":
                self._results[frame["id"]] = frame
            elif frame["op"] == "need":
                self._send_content(frame["sha256"])

    def _cut_frame(self) -> dict[str, Any] | None:
        if len(self._received) < wire.HEADER.size:
            return None
        text_length, body_length = wire.HEADER.unpack_from(self._received)
        whole = wire.HEADER.size + text_length + body_length
        if len(self._received) < whole:
            return None
        text = bytes(self._received[wire.HEADER.size : wire.HEADER.size + text_length])
        del self._received[:whole]
        return dict(json.loads(text))

    def _send_content(self, sha256: str) -> None:
        """Answer the agent's wish for a content, in chunks, compressed where that helps."""
        source = self._sources.get(sha256)
        if source is None:
            self._write(wire.encode({"op": "content", "sha256": sha256, "error": "the controller does not have it"}))
            return
        if isinstance(source, bytes):
            packed = zlib.compress(source, 6)
            small = len(packed) < len(source)
            self._write(
                wire.encode(
                    {"op": "content", "sha256": sha256, "compressed": small, "last": True}, packed if small else source
                )
            )
            return
        try:
            self._stream(sha256, source)
        except OSError as error:
            reason = f"{source}: {error.strerror}"
            self._write(wire.encode({"op": "content", "sha256": sha256, "error": reason}))

    def _stream(self, sha256: str, path: Path) -> None:
        with path.open("rb") as stream:
            chunk = stream.read(wire.CHUNK)
            packer = zlib.compressobj(1)
            # Packages and archives are compressed already; the first chunk tells.
            compress = len(zlib.compress(chunk[: 64 * 1024], 1)) < 0.9 * len(chunk[: 64 * 1024])
            while True:
                following = stream.read(wire.CHUNK)
                last = not following
                body = chunk
                if compress:
                    body = packer.compress(chunk) + (packer.flush() if last else packer.flush(zlib.Z_SYNC_FLUSH))
                self._write(
                    wire.encode({"op": "content", "sha256": sha256, "compressed": compress, "last": last}, body)
                )
                if last:
                    return
                chunk = following

    def close(self) -> None:
        """End the connection; the agent stops its child, unlocks and leaves."""
        self.closed = True
        self._pipe.close()
