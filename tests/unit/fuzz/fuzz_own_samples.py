"""Sound samples of what kprov writes down for itself, and words that mean something there."""

from __future__ import annotations

import json
import time
from typing import Any

_TASK = {"phase": "Configure etcd", "role": "etcd", "task": "Unit", "effect": "change", "message": "", "diff": "+a\n"}
_PLAN = {
    "kprov_plan": 1,
    "run": "20260101T100000.000-aaaaaa",
    "created": 1767261600.0,
    "by": "me@here",
    "inventory": "hosts.yaml",
    "salt": "00" * 16,
    "options": {"limit": None, "tags": ["etcd"], "skip_tags": [], "start_at_phase": ""},
    "fingerprints": {"variable": {"cp1 its groups": "ab" * 16}, "roles": {"etcd/tasks/main.yml": "cd" * 16}},
    "hosts": {"cp1": {"machine": "ef" * 16, "tasks": [_TASK, {**_TASK, "effect": "known only when it is done"}]}},
    "left_out": {"w1": "it did not answer"},
}
_MACHINE = {"host": "cp1", "address": "10.0.0.1", "groups": ["control_plane", "etcd"]}
_TIMELINE = {"writes": [[10, 0], [0, 3]], "reads": [[5, 0]]}
_OF_CP1 = {"host": "cp1", "role": "etcd", "task": "Unit"}
_RECORDS: list[dict[str, Any]] = [
    {"event": "run_started", "journal": 1, "command": "kprov up", "by": "me@here", "pid": 1, "inventory": "i"},
    {"event": "connecting", "hosts": ["cp1", "w1"]},
    {"event": "cluster", "name": "c", "api": "https://10.0.0.1:6443", "virtual_address": "", "machines": [_MACHINE]},
    {"event": "machine", "host": "cp1", "system": "Debian 12", "processors": 2, "memory_mb": 2048},
    {"event": "sources", "digest": "ab" * 32, "whole": True},
    {"event": "releases", "daemons": ["0.1.0"]},
    {"event": "host_state", "host": "w1", "state": "unreachable", "reason": "it did not answer"},
    {"event": "phase_started", "title": "Configure etcd", "hosts": ["cp1"]},
    {"event": "sent", "number": 1, **_OF_CP1},
    {"event": "task", "number": 1, "status": "changed", "message": "m", "seconds": 0.1, "diff": "+a\n", **_OF_CP1},
    {"event": "sent", "number": 2, **_OF_CP1},
    {"event": "asked", "number": 2, "status": "ok", **_OF_CP1},
    {"event": "not_run", "host": "cp1", "tasks": [3]},
    {"event": "warning", "message": "slow"},
    {"event": "check", "group": "etcd", "name": "healthy", "passed": True, "message": "", "seconds": 0.5},
    {
        "event": "check",
        "group": "certificates",
        "name": "All certificates of cp1 fit and last",
        "passed": True,
        "figures": {"days_left": {"apiserver": 300}, "heal_seconds": 1.5, "timeline": _TIMELINE},
    },
    {"event": "phase_finished", "title": "Configure etcd", "seconds": 1.0, "failed": []},
    {"event": "interrupted"},
    {
        "event": "run_finished",
        "outcome": "ok",
        "error": None,
        "hosts": {"cp1": {"ok": 1, "changed": 1, "failed": 0, "unreachable": False, "reason": ""}},
    },
]
_HOLDER = {"who": "me@here", "run": "r", "command": "kprov up", "controller_pid": 1, "since": 1767261600.0}
_KEEP = {"do": "keep", "key": "k", "host": "h", "seconds": 60, "state": {"ssh": {}, "agent": {}}}
_SSH = {"local_version": "SSH-2.0-x", "remote_version": "SSH-2.0-y", "host_key_type": "ssh-ed25519", "key_in": "00"}

WORDS = [
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "null",
        "true",
        "false",
        "-1",
        "1e999",
        "-1e308",
        "NaN",
        "9" * 5000,
        "1" * 400,
    ),
    *(
        '"\\ud800"',
        '"\\u0000"',
        "\\u001b[2J",
        "[" * 3000,
        '{"a":' * 3000,
        "\n",
        "\n\n",
        "0",
        '""',
        "[1, 2]",
        '{"x": 1}',
    ),
    *(f'"{name}": ' for name in ("event", "time", "hosts", "number", "tasks", "seconds", "figures", "groups")),
    *(f'"{name}": ' for name in ("created", "salt", "options", "machine", "since", "do", "key", "state", "kept")),
    *('"run_finished"', '"run_started"', '"task"', '"sent"', '"check"', '"cluster"', '"keep"', '"take"', '"close"'),
]


def _lines(*records: object) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def own_samples(target: str) -> list[bytes] | None:
    """Samples for a target; None where it is none of these."""
    timed = [{"time": 1767261600.0 + number, **record} for number, record in enumerate(_RECORDS)]
    facts = {"time": time.time(), "address": "10.0.0.1:22", "facts": {"ansible_hostname": "h"}}
    found = {
        "plan_file": [json.dumps(_PLAN).encode(), json.dumps(_PLAN, indent=1).encode()],
        "journal": [_lines(*timed), _lines(*timed[:-1]), _lines(*timed[:10])[:-20]],
        "lock_words": [json.dumps(_HOLDER).encode()],
        "remembered_facts": [json.dumps(facts).encode()],
        "due_handlers": [
            _lines(["cp1", "etcd", ["restart etcd", "reload"]], ["cp1", "etcd", []], ["w1", "node", ["x"]])
        ],
        "keepers_requests": [
            _lines(_KEEP, {"do": "list"}, {"do": "take", "key": "k"}),
            _lines(_KEEP, {**_KEEP, "key": "other"}, {"do": "close", "hosts": ["h"]}, {"do": "close", "hosts": None}),
        ],
        "keepers_answers": [
            _lines({"state": {"ssh": _SSH, "agent": {"version": [3, 11], "magic": "00", "uid": 0, "code": []}}}),
            _lines({"kept": [["h", 60]]}, {}),
            _lines({"closed": 1}, {}),
        ],
    }
    return found.get(target)
