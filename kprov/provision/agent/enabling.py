"""Units are enabled: links that count when the machine starts, and one reload of systemd for several units in a row.

A reload takes systemd longer than starting most units. It has to know at once of nothing but what is about to start.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import deferred, modules
from kprov.provision.agent.call import Call

_RELOAD = ["systemctl", "daemon-reload"]
_LATER = "daemon-reload"
_EARLY = "units enabled before their turn"

_LINK = re.compile(r"Created symlink '?(/[^' ]+)'? ")

# Units that want others once, while the machine starts: systemd need not know of another one at once.
_AT_START = re.compile(r"/etc/systemd/system/(?:multi-user|graphical|default|timers|sockets)\.target\.wants/([^/]+)$")

_unknown: set[str] = set()  # which units the reload that is due is for
_early: dict[str, list[str]] = {}  # links of units that were enabled before their tasks' turn


def reload(call: Call) -> None:
    """systemd reads its unit files anew."""
    deferred.done(_LATER)
    _unknown.clear()
    call.run(_RELOAD)


def is_unknown(unit: str | None) -> bool:
    """Whether a unit was enabled by a task before, and systemd does not know it yet."""
    return unit in _unknown


def was_early(unit: str | None) -> bool:
    """Whether a unit is enabled because `early` did so, and its task has not been told; asked once."""
    return _early.pop(unit or "", None) is not None


def enable(call: Call, unit: str) -> None:
    """Enable what the call names. systemd reads of it at once, or with others in a row at their end.

    Only what systemd need not know at once waits: nothing but links that count when the machine starts, and of this
    unit alone.

    Args:
        call: of the module.
        unit: its full name.

    Raises:
        ModuleFailed: it cannot be enabled.
    """
    forced = ["--force"] if call["force"] else []
    said = call.run(["systemctl", *forced, "enable", "--no-reload", call["name"]]).stderr
    links = _links(said)
    if links and list(links) == [unit]:
        _unknown.add(unit)
        deferred.later(_LATER, lambda: reload(call), _reloading, call.environment)
    else:
        reload(call)


def early(call: Call, disabled: bool) -> bool:
    """Enable the call's unit and those of the tasks in a row after it, for a reload that comes now serves them all.

    Nothing is started by it. Of units whose task's turn never comes, since one before it failed, the links are taken
    away again. Where something is out of the ordinary, all is as if this had not been tried.

    Args:
        call: of the module, about to reload systemd.
        disabled: its own unit is to be enabled, and is not.

    Returns:
        Whether its own unit is enabled now.
    """
    names = [call["name"]] if disabled and _is_plain(call.arguments) else []
    for message in call.following():
        arguments = modules.arguments_of(modules.own_name(message["module"]) or "", message["arguments"])
        if not arguments.get("enabled") or not _is_plain(arguments) or arguments.get("daemon_reload"):
            break
        names.append(arguments["name"])
    if not names:
        return False
    completed = call.run(["systemctl", "enable", "--no-reload", *names], succeed=False)
    links = _links(completed.stderr) if completed.rc == 0 else None
    if links is None or not links.keys() <= {_full(name) for name in names}:
        _remove(call, _LINK.findall(completed.stderr))
        return False
    _early.update(links)
    deferred.later(_EARLY, lambda: _take_back(call), _taking_back, call.environment)
    return _full(call["name"] or "") in links


def _is_plain(arguments: dict[str, Any]) -> bool:
    """Whether a task wants a unit of the system enabled, and perhaps started, and nothing else."""
    return (
        arguments.get("state") in (None, "started")
        and arguments.get("masked") is None
        and not arguments.get("force")
        and not arguments.get("daemon_reexec")
        and re.fullmatch(r"[\w:.\\@-]+", arguments.get("name") or "") is not None
    )


def _full(name: str) -> str:
    return name if re.search(r"\.(service|socket|timer|path|target|mount|automount|swap)$", name) else name + ".service"


def _links(said: str) -> dict[str, list[str]] | None:
    """The links that were made, by unit; None where one is of another kind or something else was said."""
    found: dict[str, list[str]] = {}
    for line in filter(str.strip, said.splitlines()):
        link = _LINK.match(line)
        at_start = _AT_START.match(link[1]) if link else None
        if link is None or at_start is None:
            return None
        found.setdefault(at_start[1], []).append(link[1])
    return found


def _remove(call: Call, links: list[str]) -> None:
    if links:
        call.run(["rm", "-f", "--", *links])


def _early_links() -> list[str]:
    return [link for links in _early.values() for link in links]


def _reloading() -> str:
    return " ".join(_RELOAD)


def _taking_back() -> str:
    links = " ".join("'%s'" % link for link in _early_links())
    return "rm -f -- %s; %s" % (links, _reloading()) if links else ":"


def _take_back(call: Call) -> None:
    """The row has ended: units whose turn did not come are as they were."""
    if _early:
        _remove(call, _early_links())
        _early.clear()
        deferred.later(_LATER, lambda: reload(call), _reloading, call.environment)
