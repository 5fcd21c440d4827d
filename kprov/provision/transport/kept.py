"""Connections that outlive a run, as with ssh's ControlPersist: laid down with the keeper, taken up by the next run.

Within a run the keeper has no part: a run that is killed loses its connections as any other, and its machines are
unlocked at once. What the keeper has holds no lock, does nothing, and is proved alive before it is used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.provision.transport import keeper, lean_imports, packing
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink
from kprov.provision.transport.runtime_folder import runtime_folder, runtime_path
from kprov.provision.transport.target import Target

if TYPE_CHECKING:
    from kprov.provision.transport.ssh import SSHPipe

SOCKET = "kept"

# At a run's end machines have so long to lay down their work, all together, and a little more for each of many; who
# does not is let go.
FAREWELL, FAREWELL_EACH = 5.0, 0.02

# The threads of connections that are to be laid down look whether they shall stop: all together 500 times a second, and
# each ten times at least.
ATTENTIVE, ATTENTIVE_EACH = 0.1, 0.002
STOPS_WITHIN = 0.25

# A request to end connections names so many hosts at most.
_AT_ONCE = 200

# The agent goes by itself if the keeper is not heard of for so much longer than it keeps the connection.
MARGIN = 30.0

# What has no part in where a connection leads and who made it.
_NOT_OF_THE_WAY = frozenset({"connect_timeout", "login_timeout", "silence_timeout", "lock_path"})


def _parts(target: Target) -> Iterator[object]:
    for field in dataclasses.fields(target):
        if field.name not in _NOT_OF_THE_WAY:
            yield field.name
            yield getattr(target, field.name)
    for path in target.key_files:
        with contextlib.suppress(OSError):
            status = Path(path).stat()
            yield status.st_mtime_ns, status.st_ino, status.st_size


def key_of(target: Target) -> str:
    """What a connection is known by: all that decides where it leads, as whom, and which agent is at its end."""
    digest = hashlib.sha256(packing.release().encode())
    for part in _parts(target):
        digest.update(repr(part if not isinstance(part, Target) else list(_parts(part))).encode() + b"\0")
    return digest.hexdigest()


def is_keepable(target: Target) -> bool:
    """Whether connections of this kind can outlive a run: by kprov's own SSH, and straight to the machine."""
    return not target.local and target.transport not in ("openssh", "asyncssh") and target.jump is None


class KeptConnections:
    """This user's kept connections.

    Args:
        seconds: how long a connection is kept; 0: none is, and none is looked for.
        warn: told why none is kept, where that was asked for.
    """

    def __init__(self, seconds: float, warn: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._warn = warn
        self._lock = threading.Lock()
        self._keeper: socket.socket | None = None
        self._looked = False

    @property
    def wanted(self) -> bool:
        """Whether connections are to be kept."""
        return self._seconds > 0

    # -- the keeper

    def _ask(self, request: dict[str, Any], sock: socket.socket | None = None) -> tuple[dict[str, Any], list[int]]:
        assert self._keeper is not None
        socket.send_fds(self._keeper, [json.dumps(request).encode()], [sock.fileno()] if sock is not None else [])
        text, given, _, _ = socket.recv_fds(self._keeper, keeper.LARGEST, 1)
        try:
            return _answer_of(text), given
        except OSError:
            for descriptor in given:
                os.close(descriptor)
            raise

    def _connect(self, path: Path) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(FAREWELL)
            connection.connect(str(path))
            if keeper.user_of(connection) == os.getuid():
                return connection
        except (ConnectionRefusedError, FileNotFoundError):
            pass
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None

    def _reach(self, start: bool) -> bool:
        """Whether there is a keeper; `start` one where there is none."""
        if self._keeper is not None or (self._looked and not start):
            return self._keeper is not None
        self._looked = True
        if not start and not runtime_path().exists():
            return False
        folder = runtime_folder()
        path = folder / SOCKET
        self._keeper = self._connect(path)
        if self._keeper is None and start:
            with (folder / f"{SOCKET}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._keeper = self._connect(path) or self._start(path)
        return self._keeper is not None

    def _start(self, path: Path) -> socket.socket | None:
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(64)
            subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(path)],
                stdin=listener.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
                env={},
            )
            return self._connect(path)

    def _let_go(self) -> None:
        self._looked = False
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    # -- taking them up

    def take(self, target: Target) -> AgentLink | None:
        """The connection that an earlier run left to a machine; the agent has still to `confirm` that it is there.

        Returns:
            None where there is none that is exactly what this target asks for.
        """
        if not self._seconds or not is_keepable(target):
            return None
        with self._lock:
            try:
                if not self._reach(start=False):
                    return None
                answer, given = self._ask({"do": "take", "key": key_of(target)})
            except (OSError, ValueError, Unreachable):
                self._let_go()
                return None
        if not given:
            return None
        return _resumed(target, socket.socket(fileno=given[0]), answer.get("state"))

    # -- laying them down

    def keep(self, links: Iterable[AgentLink]) -> None:
        """Lay connections down for later runs. The machines' locks have been given back when this returns.

        Args:
            links: those that cannot be kept are ended.
        """
        ready = list(links)
        try:
            self._keep([link for link in ready if self._seconds and is_keepable(link.target)])
        except (OSError, ValueError, Unreachable) as error:
            self._warn(f"connections are not kept for the next run: {error}")
        finally:
            for link in ready:
                with contextlib.suppress(OSError, EOFError):
                    link.close()

    def _keep(self, links: list[AgentLink]) -> None:
        if not links:
            return
        deadline = time.monotonic() + FAREWELL + FAREWELL_EACH * len(links)
        with self._lock:
            self._reach(start=True)  # a keeper that has to start does it while the agents end their work
        resting = list(_asked_to_rest(links, self._seconds + MARGIN))
        leaving = [link for link, number in resting if _rests(link, number, deadline)]
        with self._lock:
            for link in leaving:
                self._lay_down(link, deadline)
            self._let_go()

    def _lay_down(self, link: AgentLink, deadline: float) -> None:
        from kprov.provision.transport.resumable import NotResumable

        try:
            agent = link.state()
            sock, ssh = _pipe(link).laid_down(max(STOPS_WITHIN, deadline - time.monotonic()))
        except (NotResumable, Unreachable):
            return
        with sock:
            if self._keeper is None:
                raise OSError("the process that keeps them did not start")
            state = {"ssh": ssh, "agent": agent}
            self._ask(
                {
                    "do": "keep",
                    "key": key_of(link.target),
                    "host": link.target.name,
                    "seconds": self._seconds,
                    "state": state,
                },
                sock,
            )

    # -- for people

    def list(self) -> list[tuple[str, int]]:
        """The hosts that connections are kept to, and the seconds that each has left."""
        found: list[tuple[str, int]] = []
        with self._lock:
            if self._reach(start=False) and self._keeper is not None:
                answer, _ = self._ask({"do": "list"})
                while answer:
                    with _as_answered():
                        found += [(str(host), int(seconds)) for host, seconds in answer["kept"]]
                    answer = _answer_of(self._keeper.recv(keeper.LARGEST))
                self._let_go()
        return found

    def close(self, hosts: Sequence[str] | None = None) -> int:
        """End kept connections.

        Args:
            hosts: only those to these; None: all.

        Returns:
            How many there were.
        """
        closed = 0
        with self._lock:
            if not self._reach(start=False):
                return 0
            for start in range(0, len(hosts), _AT_ONCE) if hosts is not None else (0,):
                some = None if hosts is None else list(hosts[start : start + _AT_ONCE])
                answer, _ = self._ask({"do": "close", "hosts": some})
                with _as_answered():
                    closed += int(answer["closed"])
            self._let_go()
        return closed

    def forget(self, hosts: Iterable[str]) -> None:
        """End those to some machines, on which nothing of kprov shall be left; a warning where that can't be."""
        try:
            self.close(list(hosts))
        except (OSError, ValueError, Unreachable) as error:
            self._warn(f"connections that were kept to the machines may be there for a minute yet: {error}")


@contextlib.contextmanager
def _as_answered() -> Iterator[None]:
    """What is no answer of a keeper is said in words, as where there is none at all."""
    try:
        yield
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        raise ConnectionResetError(
            errno.ECONNRESET, "what keeps connections answered what this kprov does not know"
        ) from None


def _answer_of(text: bytes) -> dict[str, Any]:
    """An answer of the keeper. Raises OSError where it is none."""
    if not text:
        raise ConnectionResetError(errno.ECONNRESET, "the keeper has ended")
    answer: dict[str, Any] = {}
    with _as_answered():
        answer.update(json.loads(text))
    return answer


def _pipe(link: AgentLink) -> SSHPipe:
    from kprov.provision.transport.ssh import SSHPipe

    assert isinstance(link.pipe, SSHPipe)
    return link.pipe


def _resumed(target: Target, sock: socket.socket, state: Any) -> AgentLink | None:
    lean_imports.import_paramiko()
    from kprov.provision.transport import ssh

    link: AgentLink | None = None
    try:
        link = AgentLink(target, ssh.take_up(target, sock, state["ssh"]))
        link.wake(state["agent"])
    except Exception:  # whatever is wrong, such as with the machine's key: a new connection says it
        if link is not None:
            link.close()
        sock.close()
        return None
    return link


def _asked_to_rest(links: Sequence[AgentLink], seconds: float) -> Iterator[tuple[AgentLink, int]]:
    stops_within = min(ATTENTIVE, ATTENTIVE_EACH * len(links))
    for link in links:
        with contextlib.suppress(Unreachable, OSError, EOFError):
            _pipe(link).prepare_to_leave(stops_within)
            number = link.post_rest(seconds)
            if number is not None:
                yield link, number


def _rests(link: AgentLink, number: int, deadline: float) -> bool:
    """Whether an agent has ended its work; the connection's thread is then told to stop."""
    try:
        answer = link.wait(number, max(0.05, deadline - time.monotonic()))["result"]
    except (Unreachable, OSError, EOFError):
        return False
    if not answer.get("rests"):
        return False
    _pipe(link).leave()
    return True
