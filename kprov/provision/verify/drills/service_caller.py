"""A client on one of the machines that calls a Service all the time."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from kprov.provision.engine import Engine
from kprov.provision.verify.drills.tries import Try
from kprov.provision.verify.report import CheckFailed

_UNIT = "kprov-drill-caller"
_FILE = f"/run/{_UNIT}/calls"
# Open loop: a slow answer does not hold up the next call. A call may be tried three times; each try is a line.
_SCRIPT = """
import sys, threading, time, urllib.request
url, rate, patience, path = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
out, begin, count = open(path, 'w', buffering=1), time.monotonic(), 0
def call(number):
    for each in range(3):
        began = time.monotonic()
        try:
            urllib.request.urlopen(url, timeout=patience).read()
            answered = 1
        except OSError:
            answered = 0
        out.write('%d %d %.3f %.3f %d\\n' % (number, each, began - begin, time.monotonic() - began, answered))
        if answered:
            return
while True:
    time.sleep(max(0, begin + count / rate - time.monotonic()))
    count += 1
    threading.Thread(target=call, args=(count,), daemon=True).start()
"""


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of the calls: every try, how many calls needed several, and how many failed three times."""

    tries: list[Try]
    calls: int
    repeated: int
    failed: int


class ServiceCaller:
    """Calls an address from a machine until it is stopped; the machine itself ends it when nobody does.

    Args:
        lifetime: seconds after which the machine ends it.
        patience: seconds that one try may take.
    """

    def __init__(
        self, engine: Engine, machine: str, url: str, *, lifetime: float, rate: float = 10, patience: float = 1
    ):
        self.machine = machine
        self._engine = engine
        packed = base64.b64encode(_SCRIPT.encode()).decode()
        self._start = (
            f"systemctl stop {_UNIT} 2>/dev/null; systemd-run --quiet --collect --unit={_UNIT} "
            f"--property=RuntimeMaxSec={lifetime:.0f} --property=RuntimeDirectory={_UNIT} --property=MemoryMax=200M "
            f"python3 -c \"import base64;exec(base64.b64decode('{packed}'))\" {url} {rate} {patience} {_FILE}"
        )

    def start(self) -> None:
        """Begin. Raises: CheckFailed where the machine refuses."""
        done = self._engine.shell(self.machine, self._start)
        if done.rc:
            raise CheckFailed(f"{self.machine}: the Service can't be called from there: {done.stderr.strip()[-300:]}")

    def so_far(self) -> Calls:
        """What has become of the calls until now. Raises: CheckFailed where they are not to be had."""
        # It takes a moment to start: as long as it runs, a file that is not there says that nothing was called yet.
        done = self._engine.shell(self.machine, f"cat {_FILE} || systemctl is-active --quiet {_UNIT}.service")
        if done.rc:
            raise CheckFailed(f"{self.machine}: the calls of the Service were not noted: {done.stderr.strip()[-300:]}")
        return read_calls(done.stdout)

    def stop(self) -> None:
        """End it, and take away what it noted."""
        if self._engine.state[self.machine].state == "connected":
            self._engine.shell(self.machine, f"systemctl stop {_UNIT} 2>/dev/null; true")


def read_calls(noted: str) -> Calls:
    """What a caller noted, a try a line; a last line that is being written is passed over."""
    tries: list[Try] = []
    by_call: dict[int, list[bool]] = {}
    for line in noted.splitlines():
        words = line.split()
        if len(words) != 5:
            continue
        number, _, began, took, answered = words
        tries.append(Try(float(began), float(took), answered == "1"))
        by_call.setdefault(int(number), []).append(answered == "1")
    repeated = sum(len(each) > 1 for each in by_call.values())
    failed = sum(len(each) == 3 and not any(each) for each in by_call.values())
    return Calls(tries, len(by_call), repeated, failed)
