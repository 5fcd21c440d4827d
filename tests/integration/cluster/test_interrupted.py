"""`kprov up` is killed at random moments of a first run; the same command then always ends in the same cluster.

KPROV_FIRST_UPS: how many clusters are begun (1). KPROV_KILLS: how often each is interrupted (2). KPROV_MACHINES: how
many control planes and workers, as in 3+2 (1+1). KPROV_SEED: of the moments.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from own_cluster import assert_healthy, own_cluster

FIRST_UPS = int(os.environ.get("KPROV_FIRST_UPS", "1"))
KILLS = int(os.environ.get("KPROV_KILLS", "2"))
CONTROL_PLANES, WORKERS = map(int, os.environ.get("KPROV_MACHINES", "1+1").split("+"))
SEED = int(os.environ.get("KPROV_SEED", "20"))

# What the run says when a phase begins, and about how many seconds the phase takes.
MOMENTS = (
    ("Prepare the machines", 0.3),
    ("Install packages", 8.0),
    ("Install the daemons", 4.0),
    ("Issue certificates", 2.0),
    ("Configure etcd", 0.3),
    ("Form the etcd cluster", 3.0 * CONTROL_PLANES),
    ("Start the API servers", 3.0),
    ("Start the load balancers", 0.5),
    ("Start the schedulers", 1.0),
    ("Start the controller managers", 1.0),
    ("Start containerd", 1.0),
    ("Import images", 2.0),
    ("A token for machines that join", 0.1),
    ("Start the kubelets", 4.0),
    ("Start the Service proxies", 2.0),
    ("Start pod network and DNS", 2.0),
    ("Nodes become ready", 1.0),
)


def moments(attempt: int) -> list[tuple[str, float]]:
    """The kills of one first run: phases spread over all of it, each at a random moment within."""
    chance = random.Random(SEED * 1000 + attempt)
    total = FIRST_UPS * KILLS
    chosen = []
    for kill in range(KILLS):
        stratum = kill * FIRST_UPS + attempt
        low, high = (len(MOMENTS) * stratum // total, max(len(MOMENTS) * (stratum + 1) // total - 1, 0))
        phase, seconds = MOMENTS[chance.randint(low, max(low, high))]
        chosen.append((phase, chance.random() * seconds))
    return chosen


@pytest.mark.parametrize("attempt", range(FIRST_UPS))
def test_a_first_up_that_is_killed_goes_on(attempt: int, tmp_path: Path) -> None:
    with own_cluster(
        tmp_path, lab="kill", subnet="10.92.0.0/24", control_planes=CONTROL_PLANES, workers=WORKERS
    ) as cluster:
        for phase, delay in moments(attempt):
            run = cluster.start("up", "--no-verify")
            assert run.read_until(phase), "".join(run.lines)
            time.sleep(delay)  # the moment is the test's subject
            ended = run.end(signal.SIGKILL)
            print(f"\nkilled {delay:.2f} s into '{phase}', after {ended.seconds:.1f} s", flush=True)
        done = cluster.kprov("up", "--no-verify")
        print(f"the next run: exit code {done.code} after {done.seconds:.1f} s", flush=True)
        assert done.code == 0, done.output
        assert_healthy(cluster)
