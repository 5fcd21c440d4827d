"""One cluster of three machines that all operations are rehearsed on, one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from own_cluster import own_cluster
from standing_cluster import StandingCluster


@pytest.fixture(scope="package")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingCluster]:
    """Three machines that are etcd, control plane and nodes at once; they go with the folder's last test."""
    folder = tmp_path_factory.mktemp("standing")
    with own_cluster(folder, lab="daytwo", subnet="10.89.0.0/24", control_planes=3, workers=0) as machines:
        cluster = StandingCluster(machines)
        cluster.fine("up", "--no-verify")
        yield cluster
