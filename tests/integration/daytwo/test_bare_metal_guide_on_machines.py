"""The bare-metal guide's commands, as it gives them and in its order, on a cluster that stands.

Those that would cost minutes there, because they need bare machines or another release, are run by other tests of the
suite, which are named here; `./dev guide` runs all of them from bare machines on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from guide_commands import CHECKOUT, commands
from standing_cluster import StandingCluster

# What each says when all is well, by its words.
SAYS = {
    "kprov inventory list": "cp1",
    "kprov inventory explain cp1 api_virtual_address": "<- holds",
    "kprov plan --accept-new-host-keys": "nothing was changed",
    "kprov verify": "A pod runs on every node",
    "kprov status": "highly available   yes",
    'kprov backup "backups/$(date +%F).kprov"': "sealed",
    "kprov etcd backup": "etcd-snapshots",
    "kprov doctor": "nothing is wrong",
    "kprov upgrade --check": "every machine runs this release already",
    "kprov plan": "done: nothing was changed",
}
ELSEWHERE = {
    "kprov bundle build": "dev",
    "kprov up": "tests/integration/daytwo/conftest.py",
    "kprov upgrade": "tests/integration/daytwo/test_machines_and_releases.py",
    "kprov upgrade --rollback": "tests/integration/daytwo/test_machines_and_releases.py",
}


def test_the_guide_does_what_it_says(standing: StandingCluster, tmp_path: Path) -> None:
    standing.fine("up", "--no-verify")  # whatever other tests left
    data = yaml.safe_load(standing.own.inventory.read_text())
    for about in data["all"]["hosts"].values():  # as on bare metal: no power switches that verify would use
        about.pop("kprov_power_off_command", None)
    (tmp_path / "inventory.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    (tmp_path / "backups").mkdir()
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": programs, "KPROV_BACKUP_PASSPHRASE": "of the test", "HOME": str(tmp_path)}
    environment.pop("KPROV_INVENTORY", None)
    given = list(commands())
    assert len(given) > 10
    for command in given:
        if command.words in ELSEWHERE:
            text = (CHECKOUT / ELSEWHERE[command.words]).read_text()
            assert all(f'"{word}"' in text or word in text.split() for word in command.words.split()[1:]), command
            continue
        done = subprocess.run(
            ["/bin/sh", "-c", command.line],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        last = " / ".join(line.strip() for line in done.stdout.splitlines()[-4:])
        where = f"docs/bare-metal.md:{command.number}: {command.line}: {last}"
        assert done.returncode == 0, f"{where}: {done.stdout}"
        assert SAYS[command.words] in done.stdout, f"{where}: {done.stdout}"
