"""A client on one of the machines that asks a web server so many times a second, and tells how each request went."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass

from acceptance_cluster import AcceptanceCluster

from kprov.lab.login import ssh_command

# Open loop: a slow answer does not hold up the next request. Each request may be tried three times.
_SCRIPT = """
import json, sys, threading, time, urllib.request
url, rate, patience = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
done, begin = [], time.monotonic()
def ask(at):
    tries, answer, trouble = 0, None, None
    while tries < 3 and answer is None:
        tries += 1
        try:
            answer = urllib.request.urlopen(url, timeout=patience).read().decode().strip()
        except OSError as error:
            trouble = f'{trouble}, {error}' if trouble else str(error)
    done.append((at, time.monotonic() - begin - at, tries, answer, trouble))
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
threads, count = [], 0
while not ended.wait(max(0, begin + count / rate - time.monotonic())):
    count += 1
    threads = [each for each in threads if each.is_alive()]
    threads.append(threading.Thread(target=ask, args=(time.monotonic() - begin,)))
    threads[-1].start()
    if count == 1:
        threads[0].join()
        print('begun', flush=True)
for each in threads:
    each.join()
print(json.dumps(sorted(done)))
"""


@dataclass(frozen=True)
class Asked:
    """One request: when (seconds since the client's start), how long it took with its repetitions, what came.

    ``trouble``: how the tries ended that brought nothing.
    """

    at: float
    took: float
    tries: int
    answer: str | None
    trouble: str | None


class SteadyClient:
    """Asks until it is told to stop; there once its first request has ended."""

    def __init__(self, cluster: AcceptanceCluster, machine: str, url: str, *, rate: float = 20, patience: float = 1):
        """``patience``: seconds that one try may take."""
        line = ssh_command(cluster.lab.state, cluster.lab.layout.machine(machine))
        packed = base64.b64encode(_SCRIPT.encode()).decode()
        command = f"python3 -c \"import base64;exec(base64.b64decode('{packed}'))\" {url} {rate} {patience}"
        self._process = subprocess.Popen([*line, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "begun\n":
            self.abandon()
            raise AssertionError(f"the client on {machine} ended before its first request had")

    def stop(self) -> list[Asked]:
        """What became of every request."""
        out, _ = self._process.communicate(timeout=120)
        return [Asked(*row) for row in json.loads(out)]

    def abandon(self) -> None:
        """End it, when a test has failed."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
