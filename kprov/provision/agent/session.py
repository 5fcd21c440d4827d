"""One connection's life on a machine: requests are read ahead, done in order, and nothing is left when the.

Connection ends.
"""

from __future__ import annotations

import _thread
import os
import select
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

try:
    from _queue import SimpleQueue  # what queue.SimpleQueue is, without the other queues
except ImportError:
    from queue import SimpleQueue

from kprov.provision.agent import atomic, deferred, identity, modules, outcomes, processes, wire
from kprov.provision.agent.call import Call
from kprov.provision.agent.contents import Contents, file_hash
from kprov.provision.agent.failures import ConnectionEnded, ModuleFailed
from kprov.provision.agent.limits import Limits, TimeUp
from kprov.provision.agent.lock import MachineLock

# A controller that says nothing for so long is gone, even if no packet ever told so. It speaks every few seconds, and
# says how long is meant.
SILENCE = 90.0

# So often the agent says that it is there; the controller says how often is meant.
BEAT = 15.0

# Files that are compared while their task still waits in line, so that contents travel early. Larger ones wait for
# their task.
READ_AHEAD = 4 * 1024 * 1024


# Answers are held back for as long and as many bytes as this, and only for tasks that end at once: a person sees what
# was done, and a controller that is killed knows of it.
HELD_BACK = 0.02
LINE = 16 * 1024
QUICK = frozenset({"file", "copy", "lineinfile", "blockinfile", "stat"})

# How a task's frame begins.
_TASK = b'{"op":"task",'

# What tasks have in common that what they need once can be done for at their end.
_OF_A_ROW = ("op", "module", "become_user", "queue", "check", "environment", "job")


class Session:
    """Serves one controller.

    Args:
        inbound: buffered stream that requests come from.
        outbound: file descriptor that answers go to.
        earlier: frames that came before the agent ran, as text and body.
    """

    def __init__(self, inbound: BinaryIO, outbound: int, earlier: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._inbound = inbound
        self._earlier = earlier
        self._outbound = outbound
        self._write_lock = _thread.allocate_lock()
        self._requests: SimpleQueue[dict[str, Any] | bytes | None] = SimpleQueue()
        self._peeked: list[Any] = []  # taken out of it, and not begun
        self._contents = Contents(self._send)
        self._lock: MachineLock | None = None
        self._heard = time.monotonic()
        self._line = bytearray()  # answers that wait for company
        self._line_since = 0.0
        self._patience = SILENCE
        self._left = False
        self._beat_every = BEAT
        self._limits = Limits()
        self._at_work: dict[str, Any] | None = None
        self._stopped_queue: int | None = None  # the queue that a failed task stopped
        self._round_failed = False  # a round of the loop under way has failed
        self._is_long = False  # what is under way may take its time

    def _send(self, message: dict[str, Any]) -> None:
        self._send_bytes(wire.encode(message))

    def _answer_later(self, frame: bytes, asked: bool) -> None:
        """Put an answer in line: many small ones are one packet and one look at it, where the next follows at once.

        Args:
            frame: the answer.
            asked: somebody waits for what comes next, which may take long: nothing is held back for it.
        """
        if not self._line:
            self._line_since = time.monotonic()
        self._line += frame
        if asked or len(self._line) > LINE or time.monotonic() - self._line_since > HELD_BACK:
            self._flush()

    def _flush(self) -> None:
        atomic.sync()
        if self._line:
            line, self._line = bytes(self._line), bytearray()
            self._send_bytes(line)

    def _send_bytes(self, frame: bytes) -> None:
        data = memoryview(frame)
        with self._write_lock:
            while data:
                try:
                    data = data[os.write(self._outbound, data) :]
                except OSError:
                    return  # the reading side notices the end and stops everything

    def _read(self) -> None:
        """Thread: take frames as they come, so that the connection never blocks and its end is seen at once."""
        try:
            for text, body in self._earlier:
                self._take(text, body)
            while True:
                frame = wire.read_text(self._inbound)
                if frame is None:
                    break
                self._heard = time.monotonic()
                self._take(*frame)
        except Exception:
            traceback.print_exc()
        self._end()

    def _take(self, text: bytes, body: bytes) -> None:
        if text.startswith(_TASK) and not self._is_long:
            # Two threads that compute keep each other from it: the one that does the tasks reads them, too.
            self._requests.put(text)
            return
        message = wire.decode(text)
        operation = message.get("op")
        if operation == "content":
            self._contents.receive(message, body)
        elif operation == "code":
            for finder in sys.meta_path:
                if hasattr(finder, "learn"):
                    finder.learn(message["magic"], body)
        elif operation == "alive":
            self._patience = float(message.get("patience", self._patience))
            self._beat_every = float(message.get("beat", self._beat_every))
        else:
            if operation == "limits":
                message["received"] = time.monotonic()
            if operation == "task":
                self._look_ahead(message)
            self._requests.put(message)

    def _look_ahead(self, message: dict[str, Any]) -> None:
        """Ask for a file's content before its task's turn, when the file there differs."""
        arguments = message["arguments"]
        sha256, destination = arguments.get("_sha256"), arguments.get("dest")
        if not sha256 or not isinstance(destination, str) or arguments.get("_size", 0) > READ_AHEAD:
            return
        if (message.get("check") and not message.get("diff")) or message["module"] != "copy":
            return
        if not os.path.isdir(destination) and file_hash(destination) != sha256:
            try:
                self._contents.want(sha256, arguments["_size"])
            except ConnectionEnded:
                pass

    def _beat(self) -> None:
        """Say that the agent is there, where that needs no waiting: this thread watches for silence, too."""
        if self._write_lock.acquire(blocking=False):
            try:
                if select.select([], [self._outbound], [], 0)[1]:
                    os.write(self._outbound, wire.encode({"op": "alive"}))
            except OSError:
                pass  # the reading side notices the end
            finally:
                self._write_lock.release()

    def _watch_silence(self) -> None:
        beaten = time.monotonic()
        while not processes.ending():
            time.sleep(min(5.0, self._beat_every / 2))
            if time.monotonic() - beaten >= self._beat_every:
                beaten = time.monotonic()
                self._beat()
            if time.monotonic() - self._heard > self._patience:
                self._end()
                return
            if self._limits.overdue:
                self._give_up()
                return

    def _give_up(self) -> None:
        """A task can't be interrupted: tell what is known, and leave it to the kernel."""
        message = self._at_work
        if message is not None:
            words = "was still at work %s and can't be ended: does a disk or a network file system not answer?"
            answer = {"failed": True, "timed_out": self._limits.kind, "msg": words % self._limits.words()}
            self._send({"op": "result", "id": message["id"], "seconds": self._limits.seconds, "result": answer})
        self._end()

    def _end(self) -> None:
        """The controller is gone: stop what may be stopped, unlock, leave; whatever the main thread is busy with."""
        deferred.hand_over()
        must_finish = processes.end_all()
        if self._lock is not None:
            self._lock.leaving()
        self._contents.close()
        self._requests.put(None)
        deadline = time.monotonic() + (self._limits.finish if must_finish else 5.0)
        while time.monotonic() < deadline and not self._left:
            time.sleep(0.05)
        if self._lock is not None:
            self._lock.release()
        os._exit(1)

    def run(self) -> None:
        """Serve until the connection ends."""
        atomic.sync_together()
        # Not by `threading`, whose import takes as long as reading a role's tasks.
        _thread.start_new_thread(self._read, ())
        _thread.start_new_thread(self._watch_silence, ())
        while True:
            request = self._next()
            if request is not None and not _is_quick(request):
                self._flush()
            if request is None or processes.ending():
                break
            if request.get("op") == "limits":
                self._limits.take(request)
                continue
            self._is_long = not _is_quick(request)
            try:
                self._answer(request)
            except ConnectionEnded:
                break
            self._is_long = False
        self._left = True
        if self._lock is not None:
            self._lock.release()
        os._exit(0)

    def _next(self) -> Any:
        """The request whose turn it is, once all that are there have been looked at; None at the end."""
        self._take_over(bool(self._peeked))
        return self._decoded(self._peeked.pop(0))

    def _take_over(self, enough: bool = True) -> None:
        """Read the requests that are there; wait for one where that is not enough."""
        while not enough or not self._requests.empty():
            # Kept before it is decoded: the time of the task at work may be up while its followers are read.
            self._peeked.append(self._requests.get())
            enough = True
            self._peeked[-1] = self._decoded(self._peeked[-1])

    def _decoded(self, request: Any) -> Any:
        if isinstance(request, bytes):
            try:
                request = wire.decode(request)
                self._look_ahead(request)
            except Exception:
                traceback.print_exc()
                return None
        return request

    def _answer(self, message: dict[str, Any]) -> None:
        started = time.monotonic()
        try:
            answer = self._do(message)
        except ConnectionEnded:
            raise
        except TimeUp:
            words = "was still at work %s and was ended, with what it had started" % self._limits.words()
            answer = {"failed": True, "timed_out": self._limits.kind, "msg": words}
        except Exception as error:
            answer = outcomes.of_failure(error, message.get("module"))
        frame = {"op": "result", "id": message["id"], "seconds": round(time.monotonic() - started, 4), "result": answer}
        data = wire.encode(frame)
        excess = wire.excess(data) or (wire.too_deep(answer, data) and "values nested too deep")
        if excess:
            answer = {
                "failed": True,
                "msg": "it was done, but its result is too large (%s): keep it in a file" % excess,
            }
            data = wire.encode(dict(frame, result=answer))
        if (answer.get("failed") and not message.get("go_on")) or self._round_failed:
            # A loop goes on to its end, whatever fails in it; what comes after it is not done.
            self._round_failed = bool(message.get("more"))
            if not self._round_failed:
                self._stopped_queue = message.get("queue")
        self._answer_later(data, not self._peeked and self._requests.empty())

    def _do(self, message: dict[str, Any]) -> dict[str, Any]:
        operation = message["op"]
        if operation == "task":
            if self._stopped_queue is not None and message.get("queue") == self._stopped_queue:
                return {"not_run": True}
            self._at_work = message
            with self._limits:
                return self._task(message)
        if operation == "hello":
            return {"pid": os.getpid(), "uid": os.geteuid()}
        if operation == "lock":
            self._lock = MachineLock(message["path"])
            holder = self._lock.acquire(message["holder"])
            return {"locked": holder is None, "holder": holder}
        if operation == "rest":
            return self._rest(message)
        if operation == "wake":
            _check_python()
            return {"awake": message["token"]}
        raise ModuleFailed("the agent has no operation '%s'" % operation)

    def _rest(self, message: dict[str, Any]) -> dict[str, Any]:
        """The run is over, and the connection kept for the next one: nothing of this run is left, and nothing said."""
        _check_python()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._contents.close()
        self._contents = Contents(self._send)
        self._limits = Limits()
        self._stopped_queue, self._round_failed, self._at_work = None, False, None
        self._beat_every, self._patience = float("inf"), float(message["patience"])
        return {"rests": True}

    def _task(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            result = self._execute(message)
        except (Exception, TimeUp):
            try:
                deferred.settle()
            except ModuleFailed:
                pass  # it is told why the task failed
            raise
        if next(self._row(message), None) is None:
            deferred.settle()
        return result

    def _row(self, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The requests that are there right behind one, and are tasks of the same module, done in the same way."""
        self._take_over()
        for following in self._peeked:
            if not isinstance(following, dict) or any(following.get(key) != message.get(key) for key in _OF_A_ROW):
                return
            yield following

    def _execute(self, message: dict[str, Any]) -> dict[str, Any]:
        name = modules.own_name(message["module"])
        if name is None:
            raise ModuleFailed("the agent has no module '%s'" % message["module"])
        with identity.acting_as(message.get("become_user")) as user:
            call = Call(
                modules.arguments_of(name, message["arguments"]),
                check=bool(message.get("check")),
                diff=bool(message.get("diff")),
                environment=message.get("environment"),
                become_user=user,
                contents=self._contents,
                following=lambda: list(self._row(message)),
            )
            job = message.get("job")
            if job is None:
                return modules.execute(name, call)
            # Its code comes with async_status's: few connections need it.
            begun: dict[str, Any] = modules.load("async_status").begin(name, call, job)
            return begun


def _check_python() -> None:
    """An agent imports from the standard library what it needs when it needs it: it must be of the Python that runs.

    Raises:
        ModuleFailed: this Python has been replaced since.
    """
    if os.readlink("/proc/self/exe").endswith(" (deleted)"):
        raise ModuleFailed("the Python that the agent was started with has been replaced")


def _is_quick(message: dict[str, Any]) -> bool:
    """Whether a request is done with as soon as it is begun."""
    return message.get("module") in QUICK and message["arguments"].get("_size", 0) < READ_AHEAD


def serve(inbound: BinaryIO, earlier: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Take over standard input and output for frames, and serve.

    What modules or programs print goes to standard error: it can never get between frames.
    """
    outbound = os.dup(1)
    os.dup2(2, 1)
    stream = os.fdopen(os.dup(0), "rb", buffering=1 << 16) if inbound is None else inbound
    sys.dont_write_bytecode = True
    os.umask(0o022)
    os.chdir("/")
    Session(stream, outbound, earlier).run()
