"""The check on what tests leave behind: it finds it, and finds nothing that is somebody else's."""

from __future__ import annotations

import subprocess
from pathlib import Path

from leftovers import MARK, Watch, changes


def test_a_process_is_known_by_what_it_inherits_or_by_the_runs_folder(tmp_path: Path) -> None:
    watch = Watch("of-this-test", tmp_path, {}, set())
    environments = {"ours": {MARK: "of-this-test"}, "theirs": {MARK: "of-another"}, "nobody's": {}}
    started = {
        name: subprocess.Popen(["/bin/sleep", "100"], env=environment) for name, environment in environments.items()
    }
    # It starts no other program: what is about to be one would still have the folder among its arguments.
    folder = ["/bin/sh", "-c", "read line", f"{tmp_path}/x"]
    started["by folder"] = subprocess.Popen(folder, env={}, stdin=subprocess.PIPE, start_new_session=True)
    try:
        found = {process.pid for process in watch.own_processes()}
        assert found == {started["ours"].pid, started["by folder"].pid}
        assert any(str(started["theirs"].pid) in line for line in watch.company())
    finally:
        for process in started.values():
            process.kill()
            process.wait()
    assert watch.own_processes() == []


def test_what_came_and_what_has_another_value() -> None:
    before = {"link eth0": "", "link gone": "", "mode /tmp": "1777 0:0", "sysctl net/a": "1", "sysctl net/b": "1"}
    after = {"link eth0": "", "link left": "", "mode /tmp": "755 0:0", "sysctl net/a": "2", "sysctl net/b": "1"}
    after["sysctl net/of-a-module"] = "1"
    assert changes(before, after) == [
        "link left",
        "mode /tmp: '1777 0:0', now '755 0:0'",
        "sysctl net/a: '1', now '2'",
    ]
