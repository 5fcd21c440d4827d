"""The keywords of tasks, blocks, roles' entries and plays: which there are, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kprov.provision.agent import modules
from kprov.provision.engine import module_defaults
from kprov.provision.engine.controller_names import LOCAL, LOCAL_NAMES
from kprov.provision.engine.documents import Lines, plain
from kprov.provision.engine.tasks import LoopControl, is_open

# What a block, a role's entry, an import and a play may say for all tasks in them.
INHERITED = frozenset(
    {
        "any_errors_fatal",
        "become",
        "become_method",
        "become_user",
        "check_mode",
        "collections",
        "diff",
        "environment",
        "ignore_errors",
        "ignore_unreachable",
        "module_defaults",
        "name",
        "no_log",
        "run_once",
        "tags",
        "throttle",
        "timeout",
        "vars",
        "when",
    }
)

BLOCK = INHERITED | {"always", "block", "connection", "delegate_facts", "delegate_to", "notify", "rescue"}

TASK = INHERITED | {
    "action",
    "args",
    "async",
    "changed_when",
    "connection",
    "delay",
    "delegate_facts",
    "delegate_to",
    "failed_when",
    "listen",
    "local_action",
    "loop",
    "loop_control",
    "notify",
    "poll",
    "register",
    "retries",
    "until",
}

# What Ansible has and kprov does not, with what to do instead.
REFUSED = {
    "become_exe": "kprov becomes another user through sudo",
    "become_flags": "kprov becomes another user through sudo",
    "debugger": "read what `kprov runs show` tells of the failed task",
    "port": "write it in the inventory (ansible_port)",
    "remote_user": "write it in the inventory (ansible_user) or at the play",
    "hosts": "plays choose hosts",
    "roles": "plays list roles",
    "include": "write include_tasks or import_tasks",
}

# How hosts are connected to is the inventory's or the play's to say; a task may say that it is done on the controller.
CONNECTIONS = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh", "local"})

# Collections whose modules kprov has under their short names.
_COLLECTIONS = frozenset(prefix.rstrip(".") for prefix in modules.COLLECTIONS)

_LOOP_CONTROL = {"loop_var", "label", "index_var", "pause", "extended", "extended_allitems", "break_when"}
_TRUTHS = (
    "check_mode",
    "diff",
    "no_log",
    "run_once",
    "ignore_errors",
    "ignore_unreachable",
    "any_errors_fatal",
    "become",
)

Tell = Callable[[int, str, str], None]


def as_tuple(value: Any) -> tuple[Any, ...]:
    """A keyword's value that may be one or several."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def tags_of(value: Any) -> frozenset[str]:
    """Tags: a list, or a text with commas. Those that are templates are rendered for each host."""
    if isinstance(value, str) and not is_open(value):
        value = value.split(",")
    return frozenset(tag for one in as_tuple(value) if (tag := str(one).strip()))


def keywords_of(entry: Lines, tell: Tell) -> dict[str, Any]:
    """What a task's keywords say, by the fields of Task.

    Args:
        entry: as written.
        tell: told of mistakes: line, message, suggestion.
    """
    _check(entry, tell)
    variables = entry.get("vars")
    return dict(
        when=as_tuple(plain(entry.get("when"))),
        register=entry.get("register"),
        notify=as_tuple(entry.get("notify")),
        tags=tags_of(entry.get("tags")),
        changed_when=as_tuple(entry["changed_when"]) if "changed_when" in entry else None,
        failed_when=as_tuple(entry["failed_when"]) if "failed_when" in entry else None,
        retries=entry.get("retries"),
        until=as_tuple(entry.get("until")),
        delay=entry.get("delay", 5),
        timeout=entry.get("timeout"),
        asynchronous=entry.get("async"),
        poll=entry.get("poll"),
        defaults=module_defaults.read(entry, tell),
        control=_loop_control(entry, tell),
        variables=dict(plain(variables)) if isinstance(variables, dict) else {},
        environment=tuple(plain(item) for item in as_tuple(entry.get("environment"))),
        listen=tuple(str(word) for word in as_tuple(entry.get("listen"))),
        **_said(entry),
    )


def _said(entry: Lines) -> dict[str, Any]:
    """Keywords that are kept as they are."""
    names = (*_TRUTHS, "become_user", "delegate_to", "delegate_facts", "throttle")
    found = {name: entry.get(name) for name in names}
    if _connection(entry) == "local":
        found["delegate_to"] = found["delegate_to"] or LOCAL
    return found


def _connection(entry: Lines) -> str:
    return str(entry.get("connection") or "").removeprefix("ansible.builtin.")


def _check(entry: Lines, tell: Tell) -> None:
    for key in _TRUTHS:
        value = entry.get(key)
        words = ("yes", "no", "true", "false", "on", "off")
        if value is not None and not is_open(value) and str(value).lower() not in words:
            tell(entry.key_lines[key], f"'{key}' must be true or false", "")
    for key in ("retries", "delay", "throttle", "timeout", "async", "poll"):
        value = entry.get(key)
        if value is not None and not is_open(value) and not _is_number(value):
            tell(entry.key_lines[key], f"'{key}' must be a number, not '{value}'", "")
    if not isinstance(entry.get("vars") or {}, dict):
        tell(entry.key_lines["vars"], "'vars' must be a mapping", "")
    for value in as_tuple(entry.get("environment")):
        if not isinstance(value, dict) and not is_open(value):
            tell(entry.key_lines["environment"], "'environment' must be a mapping", "")
    method = entry.get("become_method")
    if method not in (None, "sudo", "ansible.builtin.sudo"):
        tell(entry.key_lines["become_method"], f"become_method '{method}' is not one of kprov's", "it is sudo")
    connection = _connection(entry)
    if connection and connection not in CONNECTIONS:
        hint = f"it has {', '.join(sorted(CONNECTIONS))}"
        tell(entry.key_lines["connection"], f"connection '{connection}' is not one of kprov's", hint)
    elsewhere = entry.get("delegate_to")
    if connection == "local" and elsewhere not in (None, *LOCAL_NAMES):
        hint = "leave connection out where delegate_to names another machine"
        tell(entry.key_lines["connection"], f"'connection: local' does not go with delegate_to '{elsewhere}'", hint)
    collections = [name for name in as_tuple(entry.get("collections")) if name not in _COLLECTIONS]
    if collections:
        tell(
            entry.key_lines["collections"],
            f"collections are not searched ({', '.join(map(str, collections))})",
            "write modules with their full names and leave it out",
        )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)


def _loop_control(entry: Lines, tell: Tell) -> LoopControl:
    control = entry.get("loop_control") or {}
    if not isinstance(control, dict):
        tell(entry.key_lines["loop_control"], "'loop_control' must be a mapping", "")
        return LoopControl()
    for key in control:
        if key not in _LOOP_CONTROL:
            tell(entry.key_lines["loop_control"], f"loop_control has no '{key}'", "")
    return LoopControl(
        loop_var=str(control.get("loop_var", "item")),
        index_var=control.get("index_var"),
        label=control.get("label"),
        pause=control.get("pause"),
        extended=control.get("extended", False),
        break_when=as_tuple(control.get("break_when")),
    )
