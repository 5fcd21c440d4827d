"""What kubectl get shows."""

from __future__ import annotations

import pytest

from kprov.kube.apiserver.columns import columns_of
from kprov.kube.apiserver.columns.lookup import _ALL
from kprov.kube.apiserver.columns.table import human_duration

NOW = 1_700_000_000.0
BORN = "2023-11-14T22:12:20Z"  # a minute before


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600,
         "10m"),
        (10799, "179m"), (10800, "3h"), (11100, "3h5m"), (28800, "8h"), (172799, "47h"), (172800, "2d"), (180000,
         "2d2h"),
        (691200, "8d"), (63071999, "729d"), (63072000, "2y"), (63158400, "2y1d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_ages(seconds, text):
    assert human_duration(seconds) == text


def _pod(status, spec=None, **metadata):
    return {
        "metadata": {"name": "p", "creationTimestamp": BORN, **metadata},
        "spec": {"containers": [{"name": "a"}], **(spec or {})},
        "status": status,
    }


def _container(state, ready=False, restarts=0, name="a", **more):
    return {"name": name, "state": state, "ready": ready, "restartCount": restarts, **more}


RUNNING, DONE = {"running": {}}, {"terminated": {"exitCode": 0, "reason": "Completed"}}
INIT = {"initContainers": [{"name": "i"}]}
SIDECAR = {"initContainers": [{"name": "i", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("pod", "ready", "word", "restarts"),
    [
        (_pod({"phase": "Pending"}), "0/1", "Pending", "0"),
        (_pod({"phase": "Running", "containerStatuses": [_container(RUNNING, True)]}), "1/1", "Running", "0"),
        (
            _pod(
                {
                    "phase": "Running",
                    "containerStatuses": [_container({"waiting": {"reason": "CrashLoopBackOff"}}, restarts=3)],
                }
            ),
            "0/1",
            "CrashLoopBackOff",
            "3",
        ),
        (_pod({"phase": "Succeeded", "containerStatuses": [_container(DONE)]}), "0/1", "Completed", "0"),
        (
            _pod({"phase": "Failed", "containerStatuses": [_container({"terminated": {"exitCode": 3}})]}),
            "0/1",
            "ExitCode:3",
            "0",
        ),
        (
            _pod(
                {"phase": "Failed", "containerStatuses": [_container({"terminated": {"exitCode": 137, "signal": 9}})]}
            ),
            "0/1",
            "Signal:9",
            "0",
        ),
        (_pod({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted", "0"),
        (
            _pod({"phase": "Pending", "initContainerStatuses": [_container(RUNNING, name="i")]}, INIT),
            "0/1",
            "Init:0/1",
            "0",
        ),
        (
            _pod(
                {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        _container({"waiting": {"reason": "CrashLoopBackOff"}}, name="i", restarts=2)
                    ],
                },
                INIT,
            ),
            "0/1",
            "Init:CrashLoopBackOff",
            "2",
        ),
        (
            _pod(
                {
                    "phase": "Running",
                    "initContainerStatuses": [_container(RUNNING, True, name="i", started=True)],
                    "containerStatuses": [_container(RUNNING, True)],
                },
                SIDECAR,
            ),
            "2/2",
            "Running",
            "0",
        ),
        (
            _pod({"phase": "Running", "containerStatuses": [_container(RUNNING, True)]}, deletionTimestamp=BORN),
            "1/1",
            "Terminating",
            "0",
        ),
        (_pod({"phase": "Running", "reason": "NodeLost"}, deletionTimestamp=BORN), "0/1", "Unknown", "0"),
        (
            _pod(
                {
                    "phase": "Pending",
                    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
                }
            ),
            "0/1",
            "SchedulingGated",
            "0",
        ),
        (
            _pod(
                {
                    "phase": "Running",
                    "containerStatuses": [
                        _container(RUNNING, True, restarts=1, lastState={"terminated": {"finishedAt": BORN}})
                    ],
                }
            ),
            "1/1",
            "Running",
            "1 (60s ago)",
        ),
    ],
)
def test_pods(pod, ready, word, restarts):
    cells = columns_of("", "pods").row(pod, NOW)
    assert cells[:5] == ["p", ready, word, restarts, "60s"]


@pytest.mark.parametrize(
    ("key", "obj", "cells"),
    [
        (
            ("", "nodes"),
            {
                "metadata": {"name": "n", "creationTimestamp": BORN, "labels": {"node-role.kubernetes.io/worker": ""}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "v1.32.0"},
                },
            },
            ["n", "Ready,SchedulingDisabled", "worker", "60s", "v1.32.0", "10.0.0.1", "<none>"],
        ),
        (
            ("", "services"),
            {
                "metadata": {"name": "s", "creationTimestamp": BORN},
                "spec": {
                    "type": "NodePort",
                    "clusterIP": "10.96.0.9",
                    "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                    "selector": {"app": "x"},
                },
            },
            ["s", "NodePort", "10.96.0.9", "<none>", "80:30080/TCP,53/UDP", "60s", "app=x"],
        ),
        (
            ("apps", "deployments"),
            {
                "metadata": {"name": "d", "creationTimestamp": BORN},
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
                },
                "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1},
            },
            ["d", "1/3", 2, 1, "60s", "c", "i", "a=b"],
        ),
        (
            ("", "endpoints"),
            {
                "metadata": {"name": "e", "creationTimestamp": BORN},
                "subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 5)], "ports": [{"port": 80}]}],
            },
            ["e", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...", "60s"],
        ),
        (
            ("batch", "jobs"),
            {
                "metadata": {"name": "j", "creationTimestamp": BORN},
                "spec": {"completions": 2, "parallelism": 1},
                "status": {"succeeded": 1, "startTime": BORN},
            },
            ["j", "Running", "1/2", "60s", "60s"],
        ),
        (
            ("", "events"),
            {
                "metadata": {"name": "x", "creationTimestamp": BORN},
                "type": "Warning",
                "reason": "Failed",
                "involvedObject": {"kind": "Pod", "name": "p"},
                "source": {"component": "kubelet", "host": "n"},
                "message": "no\n",
                "lastTimestamp": BORN,
                "firstTimestamp": BORN,
                "count": 2,
            },
            ["60s", "Warning", "Failed", "pod/p", "", "kubelet, n", "no", "60s", 2, "x"],
        ),
    ],
)
def test_rows(key, obj, cells):
    assert columns_of(*key).row(obj, NOW)[: len(cells)] == cells


@pytest.mark.parametrize("key", list(_ALL), ids="/".join)
def test_every_kind_fills_its_columns_even_of_an_empty_object(key):
    found = columns_of(*key)
    assert len(found.cells({"metadata": {"name": "x"}})) == len(found.definitions)
