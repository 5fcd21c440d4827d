"""What is wanted is looked for in what is there: the server's own additions are no difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.provision.kubeapi.client import contains
from kprov.provision.kubeapi.credentials import KubeconfigError, read_kubeconfig


@pytest.mark.parametrize(
    ("live", "wanted", "holds"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}}, {"spec": {"ports": [{"port": 53}]}}, True),
        ({"ports": [{"port": 53}, {"port": 54}]}, {"ports": [{"port": 53}]}, False),
        ({"ports": []}, {"ports": [{"port": 53}]}, False),
        ({"labels": None}, {"labels": {"a": "b"}}, False),
    ],
)
def test_contains(live: Any, wanted: Any, holds: bool) -> None:
    assert contains(live, wanted) is holds


def test_a_missing_kubeconfig_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="raise the cluster with kprov up first"):
        read_kubeconfig(tmp_path / "admin.kubeconfig")


def test_a_kubeconfig_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "admin.kubeconfig"
    path.write_text("apiVersion: v1\nclusters: []\n")
    with pytest.raises(KubeconfigError, match="not a kubeconfig of kprov's"):
        read_kubeconfig(path)
