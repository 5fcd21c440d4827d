"""All integration tests, in two lanes: while one waits for a boot, an election or a time-out, the other one works.

Each part is a pytest of its own and a lane takes one after the other. What they say comes as they say it, with the
part's name before each line; what failed is said once more at the end. The machine is looked over when all have ended.

A few failures are tried once more, alone, when the lanes have ended: a cluster on a computer that is busy with other
things elects leaders anew and cuts connections, as it should, and a test may be in the way of that. What passes only
then is told apart in the summary with what it said first, since a race looks the same.

Ends with 0 when everything passed, 1 when anything failed, 130 when it was ended by Ctrl-C or SIGTERM, on which every
part takes its machines down, as one pytest does. Arguments are pytest's, for every part.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leftovers import MARK, Watch

HERE = Path(__file__).resolve().parent
LANES = 2
# More failures than this in a part are no accident, and after so many seconds the time is others'.
FEW = 5
LATE = 65 * 60.0

# In this order. A part is a lab, or a control plane, that its tests share, and no two have a lab's name or a subnet in
# common. A path belongs to the part that names it, or else to the one that names the folder next above. The first ones
# are those that take longest; on a fresh machine `cluster` gathers the bundle, which kubelet and apiserver do without.
PARTS: dict[str, tuple[str, ...]] = {
    "cluster": ("cluster", "engine", "playbook"),
    "kubelet": ("kubelet",),
    "apiserver": ("apiserver",),
    "transport": ("transport",),
    "daytwo": ("daytwo",),
    "preflight": ("preflight",),
    "nodes": ("daytwo/test_machines_and_releases.py",),
    "runs": ("cluster/test_interrupted.py", "cluster/test_plan_run_resume.py", "cluster/test_runs.py"),
    "rest": (".",),
}
_ENDED = re.compile(r"^(=+ )?(?P<counts>(\d+ \w+|no tests ran)(, \d+ \w+)* in [\d.]+s.*?)( =+)?$")


def words_of(part: str, parts: Mapping[str, tuple[str, ...]] = PARTS, root: Path = HERE) -> list[str]:
    """What pytest is told so that it runs a part: its paths, without what other parts name within them."""
    own = [(root / path).resolve() for path in parts[part]]
    others = [(root / path).resolve() for name, paths in parts.items() if name != part for path in paths]
    within = [each for each in others if any(path in each.parents for path in own)]
    return [*map(str, own), *(f"--ignore={each}" for each in within)]


def failures(said: Iterable[str]) -> list[str]:
    """What pytest says at its end of each test that failed."""
    return [line for line in said if line.startswith(("FAILED ", "ERROR "))]


def counts_of(said: Iterable[str]) -> str:
    """How pytest sums up: so many passed, so many failed, in what time."""
    found = [ended["counts"] for line in said if (ended := _ENDED.match(line))]
    return found[-1] if found else ""


@dataclass
class Lanes:
    """Runs parts, so many at a time.

    Args:
        folder: for the tests' files, a folder within for each part.
        arguments: what else pytest is told.
        parts: by name, their paths.
        root: where the paths begin.
    """

    folder: Path
    arguments: tuple[str, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: PARTS)
    root: Path = HERE
    stopped: bool = False
    said: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[str]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _waiting: deque[str] = field(default_factory=deque)
    _running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, lanes: int = LANES) -> None:
        """Run all parts; ``codes`` and ``said`` tell how it went."""
        self._waiting.extend(self.parts)
        threads = [threading.Thread(target=self._lane) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(1.0)  # signals are heard in between

    def try_again(self, late: float = LATE) -> None:
        """Run the tests that failed once more, where they are few, a part at a time; ``first`` keeps what was said.

        Args:
            late: no part is begun when so many seconds have gone by.
        """
        for part in self.parts:
            few = 0 < len(failures(self.said.get(part, ()))) <= FEW
            if self.codes.get(part) == 1 and few and time.monotonic() - self._began < late:
                self.first[part] = self.said[part]
                self._waiting.append(part)
        self._lane()

    def stop(self) -> None:
        """Ctrl-C for what runs; nothing else is begun."""
        self.stopped = True
        for process in list(self._running.values()):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)

    def _lane(self) -> None:
        while True:
            with self._lock:
                if self.stopped or not self._waiting:
                    return
                part = self._waiting.popleft()
                self._running[part] = process = self._start(part)
                if self.stopped:  # meanwhile
                    self.stop()
            reader = threading.Thread(target=self._pass_on, args=(part, process), daemon=True)
            reader.start()
            self.codes[part] = process.wait()
            reader.join(5.0)  # what a test has left running may hold the other end for ever

    def _start(self, part: str) -> subprocess.Popen[str]:
        # It hears Ctrl-C wherever this was started, and ends in order when this is killed.
        command = ["env", "--default-signal=INT", "setpriv", "--pdeathsig", "TERM", "--"]
        command += [str(Path(sys.executable).with_name("pytest"))]
        command += ["-v", "--no-header", "--durations=8"]  # with the checkout's own -q: a line a module
        command += ["-o", f"cache_dir={self.folder / part}-cache"]
        again = part in self.first
        if again:
            command += ["--last-failed", "--last-failed-no-failures=none"]
        command += [f"--basetemp={self.folder / part}{'-again' * again}"]
        command += words_of(part, self.parts, self.root)
        self.said[part] = []
        self._say(part, "once more, what failed" if again else "begins")
        return subprocess.Popen(
            [*command, *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _pass_on(self, part: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.said[part].append(line.rstrip())
            self._say(part, line.rstrip())

    def _say(self, part: str, line: str) -> None:
        width = max(map(len, self.parts))
        print(f"{part:{width}} | {line}", flush=True)

    def summary(self) -> list[str]:
        """What failed, what did so at first only, and a line for each part."""
        lines = [f"{part}: {line}" for part, said in self.said.items() for line in failures(said)]
        for part, said in self.first.items():
            if self.codes.get(part) == 0:
                lines += [f"{part}: passed only when run again, alone; at first: {line}" for line in failures(said)]
        for part in self.parts:
            tries = [tries[part] for tries in (self.first, self.said) if part in tries]
            counts = "; again: ".join(map(counts_of, tries))
            code = self.codes.get(part)
            how = "not begun" if code is None else "" if code == 0 else f"  FAILED (exit code {code})"
            lines.append(f"{part:10} {counts}{how}")
        return lines

    @property
    def code(self) -> int:
        """The exit code."""
        if self.stopped:
            return 130
        return 0 if all(self.codes.get(part) == 0 for part in self.parts) else 1


def main() -> int:
    """Run all of it. Returns the exit code."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lanes-"))
    os.environ[MARK] = uuid.uuid4().hex  # from now on whatever is started inherits it
    watch = Watch(os.environ[MARK], folder)
    lanes = Lanes(folder, tuple(sys.argv[1:]))
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: lanes.stop())
    lanes.run()
    if not lanes.stopped:
        lanes.try_again()
    left, doubtful = watch.verdict()
    print(f"\n{len(lanes.parts)} parts in {LANES} lanes, {time.monotonic() - began:.0f} s", *lanes.summary(), sep="\n")
    if doubtful:
        print("others were here too, and it may be theirs:", *doubtful, sep="\n")
    if left:
        print("FAILED: the tests leave behind:", *left, sep="\n")
    code = lanes.code or (1 if left else 0)
    if code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"what the tests wrote is in {folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
