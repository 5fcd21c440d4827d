"""What `ctr plugins list --detailed` says of containerd's CRI, in the words of containerd 1.6 and 1.7."""

from __future__ import annotations

import pytest

from kprov.provision.cluster.container_runtime import why_silent

WELL = """Type:          io.containerd.grpc.v1
ID:            cri
Requires:
               io.containerd.event.v1
Platforms:     linux/amd64
Exports:
               CRIVersion           v1
"""
SICK = """Type:          io.containerd.grpc.v1
ID:            cri
Requires:
               io.containerd.event.v1
Platforms:     linux/amd64
Error:
               Code:        Unknown
               Message:     {}
"""


def test_one_that_speaks_it() -> None:
    assert why_silent(WELL) == ""


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        (
            "failed to create CRI service: failed to create cni conf monitor for default: failed to create fsnotify "
            "watcher: too many open files",
            "raise fs.inotify.max_user_instances",
        ),
        ("failed to create CRI service: something else", "journalctl -u containerd"),
    ],
)
def test_one_that_does_not_says_why_and_what_to_do(message: str, advice: str) -> None:
    why = why_silent(SICK.format(message))
    assert why.startswith(message) and advice in why


@pytest.mark.parametrize("output", ["", WELL.replace("cri\n", "content\n")])
def test_one_without_it(output: str) -> None:
    assert "disabled_plugins" in why_silent(output)
