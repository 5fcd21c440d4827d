"""One machine's agent, as the controller speaks with it: started, greeted, sent to work, listened to."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from kprov.provision.agent import wire
from kprov.provision.transport import bootstrap, outbound, start_failures
from kprov.provision.transport.errors import ConnectionLost, ProtocolBroken, TimedOut
from kprov.provision.transport.inbound import SLOWEST, Inbound, Lie
from kprov.provision.transport.offered import Offered
from kprov.provision.transport.pipe import Pipe
from kprov.provision.transport.target import Target

# While one side waits for the other, errors are read and the time is looked at as often as this.
LOOK = 1.0
PIECE = 64 * 1024

# What a login may print before the agent speaks, and what a machine may write to standard error.
LARGEST_NOISE = 256 * 1024
LARGEST_ERRORS = 4 * 1024 * 1024


def _nothing() -> None:
    pass


class AgentLink:
    """A running agent.

    Args:
        target: the machine.
        pipe: the program that `bootstrap.command` started.
    """

    def __init__(self, target: Target, pipe: Pipe) -> None:
        self.target = target
        self.before_sending: Callable[[], None] = _nothing
        """Called before requests leave: what must be known of them if the controller dies."""
        self.while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext
        """What is around every wait for the machine."""
        self.greeting: bootstrap.Greeting | None = None
        self.greeted_at = 0.0
        """When the agent first spoke, by the wall clock: what it tells of its time is not older."""
        self._agent_sent: bytes | None = None
        self._in_parts = False
        self._code: frozenset[str] = frozenset()
        self._coded: set[str] = set()  # the modules whose code was looked at
        self._pipe = pipe
        self._inbound = Inbound(target.silence_timeout)
        self._outgoing = bytearray()
        self._send_lock = threading.Lock()
        self._next_id = 0
        self._offered = Offered()
        self._deadline: float | None = None
        self._heard = time.monotonic()
        self._results: dict[int, dict[str, Any]] = {}
        self.round_trips = 0
        self.closed = False
        self._resting = False
        self._waking: tuple[int, str] | None = None

    # -- starting

    def start(self) -> None:
        """Send the agent, and hear what the machine says to it.

        Raises:
            As `hear_greeting`.
        """
        self.send_agent()
        self.flush()
        self.hear_greeting()

    def send_agent(self) -> None:
        """Put the agent in line before the machine has said which Python it has, so that nobody waits for the other.

        Where sudo may ask for a password, that comes first: nothing is sent before the greeting.
        """
        if self.target.become_password is None or not self.target.become:
            self._agent_sent = bootstrap.LIKELY
            self._in_parts = True
            self._outgoing += bootstrap.core() + self._manners()

    def _manners(self) -> bytes:
        """How often the agent says that it is there; and it leaves by itself when its controller has been silent for
        longer than the controller itself bears silence."""
        silence = self.target.silence_timeout
        return wire.encode({"op": "alive", "beat": silence / 4, "patience": 1.5 * silence})

    def hear_greeting(self) -> None:
        """Wait for the bootstrap's greeting; send the agent where it was not sent, or for another Python.

        Raises:
            PythonMissing, SudoRefused, TimedOut, ConnectionLost, ProtocolBroken: told apart by what the machine said.
        """
        if self.greeting is not None:
            return
        deadline = time.monotonic() + self.target.login_timeout
        received = bytearray()
        asked = 0
        while True:
            searched = len(received)
            data = self._read(0.2)
            if data == b"":
                raise start_failures.reason(self.target, self._pipe, bytes(received))
            received += data or b""
            # Each part is searched once, with what came just before it.
            found = bootstrap.read_greeting(bytes(received[max(0, searched - bootstrap.LONGEST_GREETING) :]))
            if found is not None:
                break
            if len(received) > LARGEST_NOISE:
                raise self._broken(f"sent {len(received) >> 10} KB before any word of the agent")
            prompts = self._pipe.errors().count(bootstrap.SUDO_PROMPT.encode())
            if prompts > asked:
                asked = prompts
                if asked > 1 or self.target.become_password is None:
                    raise start_failures.password_refused(self.target)
                self._write(self.target.become_password.encode() + b"\n")
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"{self.target.python} did not start within {self.target.login_timeout:g} s (timeout login): is "
                    f"the machine overloaded or its disk stuck?"
                )
        self.greeting, rest = found
        self.greeted_at = time.time()
        start_failures.check(self.target, self.greeting)
        if self.greeting.magic != self._agent_sent:
            self._write(bootstrap.archive(self.greeting.magic))
        if self._agent_sent is None:
            self._write(self._manners())
        self._in_parts = self.greeting.magic == self._agent_sent
        self._take(rest)

    # -- sending

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        begun = time.monotonic()
        try:
            with self._send_lock:
                # In pieces: one that takes nothing is found out sooner than one that takes little.
                for start in range(0, len(view), PIECE):
                    piece = view[start : start + PIECE]
                    seconds = self.target.silence_timeout + len(piece) / SLOWEST
                    if self._deadline is not None:
                        seconds = min(seconds, max(0.0, self._deadline - time.monotonic()))
                    self._pipe.write(piece, seconds)
        except TimeoutError:
            self._pipe.close()  # within a frame: nothing can follow it
            raise TimedOut(
                f"{self.target.name} did not take what was sent to it ({len(data) >> 10} KB) within "
                f"{time.monotonic() - begun:.0f} s: is the machine overloaded, or the network stuck?"
            ) from None
        except (OSError, EOFError) as error:
            raise self._lost(error) from error

    def _lost(self, cause: object = None) -> ConnectionLost:
        words = self._pipe.errors().decode(errors="replace").strip().splitlines()
        silent = "it ended without a word: the machine, its network or its sshd is gone"
        detail = words[-1] if words else (str(cause or "") or silent)
        return ConnectionLost(
            f"the connection to {self.target.name} was lost ({detail}); run the same command again to go on"
        )

    def _broken(self, what: str) -> ProtocolBroken:
        """The machine lies: nothing more is taken from it."""
        self._pipe.close()
        return ProtocolBroken(
            f"{self.target.name} {what}: what answers there is not, or no longer, kprov's agent, and nothing more is "
            f"done on it in this run. See what {self.target.python} is there, and whether the machine was tampered with"
        )

    def alive(self) -> None:
        """Tell the agent that the controller is still there.

        Any thread. Passes when something is being sent, which says the same, and when the machine takes nothing: it
        must not keep others from hearing of their controller.
        """
        # Before the agent has greeted, sudo may be reading a password.
        if self.closed or self.greeting is None or not self._send_lock.acquire(blocking=False):
            return
        try:
            if self._pipe.writable() and not self._resting:
                self._pipe.write(wire.encode({"op": "alive"}), 2.0)
        except TimeoutError:
            self._pipe.close()  # half of it went out: nothing can follow
        except (OSError, EOFError):
            pass
        finally:
            self._send_lock.release()

    def offer(self, sha256: str, source: bytes | Path) -> None:
        """Have a content at hand in case the agent asks for it."""
        self._offered.offer(sha256, source)

    def post(self, operation: str, **message: Any) -> int:
        """Put a request in line; it goes out with the next `flush` or `wait`.

        Returns:
            The number to wait for.
        """
        if operation == "task" and self._in_parts:
            self._send_code(str(message.get("module")))
            if "job" in message:
                self._send_code("async_status")
        self._next_id += 1
        self._outgoing += outbound.frame({"op": operation, "id": self._next_id, **message})
        self._inbound.expect(self._next_id)
        if len(self._outgoing) > 64 * 1024:
            self.flush()
        return self._next_id

    def _send_code(self, module: str) -> None:
        """Put in line what the agent lacks for a task."""
        if module in self._coded:
            return
        missing = bootstrap.missing(module, self._code)
        if missing:
            self._outgoing += bootstrap.part(missing)
            self._code |= missing
        self._coded.add(module)

    def tell(self, operation: str, **message: Any) -> None:
        """Put in line what needs no answer."""
        self._outgoing += outbound.frame({"op": operation, **message})

    def flush(self) -> None:
        """Send what is in line."""
        if self._outgoing:
            if self.greeting is None and self._agent_sent is None:
                self.hear_greeting()
            self.before_sending()
            data = bytes(self._outgoing)
            self._outgoing.clear()
            try:
                self._write(data)
            except ConnectionLost:
                if self.greeting is None:
                    self.hear_greeting()  # the machine's own words say more than that it took nothing
                raise

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
            ProtocolBroken: the machine sends what no agent sends.
            TimedOut: no answer in time.
        """
        now = time.monotonic()
        deadline = self._deadline = None if timeout is None else now + timeout
        self._heard = max(self._heard, now)  # what came since the last wait was not read
        try:
            if self._outgoing:
                self.round_trips += 1
            self.flush()
            self.hear_greeting()
            while number not in self._results:
                remaining = LOOK if deadline is None else deadline - time.monotonic()
                if remaining <= 0:
                    raise TimedOut(f"{self.target.name} gave no answer within {timeout:g} s")
                self._receive(min(remaining, LOOK))
        finally:
            self._deadline = None
        return self._results.pop(number)

    def answered(self, number: int) -> dict[str, Any] | None:
        """An answer that has come already, as `wait` gives it."""
        return self._results.pop(number, None)

    def call(self, operation: str, timeout: float | None = None, **message: Any) -> dict[str, Any]:
        """Ask and wait."""
        result: dict[str, Any] = self.wait(self.post(operation, **message), timeout)["result"]
        return result

    def _deliver(self, deliver: Callable[[int, dict[str, Any]], None] | None) -> None:
        if deliver is not None:
            for number in sorted(self._results):
                deliver(number, self._results.pop(number))

    def _read(self, timeout: float) -> bytes | None:
        """What the machine sends; b"" at its end, None when nothing came."""
        waits = self.while_waiting if timeout and not self._pipe.ready() else nullcontext
        try:
            with waits():
                data = self._pipe.read(timeout)
        except TimeoutError:
            data = None
        except (OSError, EOFError) as error:
            raise self._lost(error) from error
        # Errors that nobody reads would stop the machine.
        self._pipe.errors()
        if self._pipe.errors_total > LARGEST_ERRORS:
            raise self._broken(f"wrote {self._pipe.errors_total >> 20} MB to standard error")
        return data

    def _receive(self, timeout: float) -> None:
        data = self._read(timeout)
        now = time.monotonic()
        if data == b"":
            raise self._lost()
        if data:
            self._heard = now
            self._take(data)
            return
        try:
            self._inbound.check_pace()
        except Lie as lie:
            raise self._broken(str(lie)) from None
        if now - self._heard > self.target.silence_timeout:
            self._pipe.close()
            raise ConnectionLost(
                f"{self.target.name} said nothing for {self.target.silence_timeout:g} s (timeout silence): is the "
                f"machine or its network down, or is it overloaded? Run the same command again to go on"
            )

    def _take(self, data: bytes) -> None:
        try:
            for frame in self._inbound.feed(data):
                if frame["op"] == "result":
                    self._results[frame["id"]] = frame
                else:
                    for part in self._offered.frames(frame["sha256"]):
                        self._write(part)
        except Lie as lie:
            raise self._broken(str(lie)) from None

    # -- changing hands

    @property
    def pipe(self) -> Pipe:
        """What it speaks through."""
        return self._pipe

    def post_rest(self, seconds: float) -> int | None:
        """Ask the agent to end what belongs to this run, and to wait for the next one.

        Args:
            seconds: how long it waits at most.

        Returns:
            The number to wait for; None when something is under way.
        """
        if self.closed or self.greeting is None or self._outgoing or self._results or self._inbound.is_busy:
            return None
        self._resting = True
        number = self.post("rest", patience=seconds)
        self.flush()
        return number

    def state(self) -> dict[str, Any]:
        """What another process must know to speak with the agent after it was asked to rest."""
        assert self.greeting is not None
        if self._inbound.is_busy:
            raise ConnectionLost(f"{self.target.name} did not answer")
        version, magic, uid = self.greeting.version, self.greeting.magic.hex(), self.greeting.uid
        return {"version": version, "magic": magic, "uid": uid, "code": sorted(self._code), "in_parts": self._in_parts}

    def wake(self, state: dict[str, Any]) -> None:
        """Go on with an agent that another process let rest: it is asked whether it is there with what comes first.

        Args:
            state: as `state` gave it.
        """
        self.greeting = bootstrap.Greeting(tuple(state["version"]), bytes.fromhex(state["magic"]), state["uid"])
        self._agent_sent, self._in_parts = self.greeting.magic, state["in_parts"]
        self._code = frozenset(state["code"])
        self._outgoing += self._manners()
        token = secrets.token_hex(8)
        self._waking = (self.post("wake", token=token), token)

    def confirm(self) -> None:
        """Hear whether an agent that was woken is there. Nothing where it was started for this run.

        Raises:
            Unreachable: it is not.
        """
        if self._waking is not None:
            number, token = self._waking
            self._waking = None
            answer = self.wait(number, self.target.connect_timeout)["result"]
            if answer.get("awake") != token:
                raise ConnectionLost(f"the agent that was kept on {self.target.name} cannot go on")

    def close(self) -> None:
        """End the connection; the agent stops its child, unlocks and leaves."""
        self.closed = True
        self._pipe.close()


def open_link(target: Target, pipe: Pipe, *, greet: bool) -> AgentLink:
    """Send the agent down a pipe; the pipe is closed where that fails.

    Args:
        target: the machine.
        pipe: the program that `bootstrap.command` started.
        greet: wait until the agent has started; else the first `wait` does, and what keeps it from starting is raised
            there.

    Raises:
        Unreachable: why it did not start.
    """
    link = AgentLink(target, pipe)
    try:
        if greet:
            link.start()
        else:
            link.send_agent()
    except BaseException:
        link.close()
        raise
    return link
