"""Whether containerd speaks CRI: it starts, and says that it is ready, also where the part that speaks it could not."""

from __future__ import annotations

import re

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host

_LOOK = (
    "command",
    {"argv": ["ctr", "plugins", "list", "--detailed", "id==cri"], "_check": False, "_quiet": True},
)
_ADVICE = (
    (
        "too many open files",
        "its kernel has no inotify instances left: raise fs.inotify.max_user_instances there (for a container: on the "
        "computer that it runs on), or end what uses them up",
    ),
    ("no such file or directory", "see journalctl -u containerd on that machine for the file that is missing"),
)


def why_silent(output: str) -> str:
    """Why containerd does not speak CRI, from what `ctr plugins list --detailed` says of that part; "" where it does.

    The advice that fits comes after the reason.
    """
    if not re.search(r"^ID:\s+cri$", output, re.MULTILINE):
        return "it has no part that speaks CRI: is that among disabled_plugins in /etc/containerd/config.toml?"
    found = re.search(r"^Error:\s*$(.*)", output, re.MULTILINE | re.DOTALL)
    if found is None:
        return ""
    said = re.search(r"^\s*Message:\s*(.+)$", found[1], re.MULTILINE)
    reason = said[1].strip() if said else " ".join(found[1].split())[:300]
    advice = next((words for sign, words in _ADVICE if sign in reason), "see journalctl -u containerd on that machine")
    return f"{reason}: {advice}"


def container_runtimes_answer(context: Context, hosts: list[Host]) -> None:
    """Every containerd speaks CRI. One that does not is started anew once: what was in its way may be gone by now.

    Raises:
        ClusterError: one still does not; says why, and what to do.
    """
    engine = context.engine
    wait = Wait(
        f"containerd to answer on {', '.join(host.name for host in hosts)}",
        "ready",
        engine.timeouts,
        engine.waiting,
        ClusterError,
    )
    tried: set[str] = set()
    while True:
        alive = engine.alive(hosts)
        answers = engine.module_all({host.name: _LOOK for host in alive})
        silent = {
            name: str(answer.get("stderr") or answer.message).strip()
            for name, answer in answers.items()
            if answer.failed
        }
        sick = {
            name: why
            for name, answer in answers.items()
            if name not in silent and (why := why_silent(str(answer.get("stdout") or "")))
        }
        if again := {name: why for name, why in sick.items() if name in tried}:
            said = "; ".join(f"{name}: containerd runs, but does not speak CRI: {why}" for name, why in again.items())
            raise ClusterError(f"{said}. Then run the same command again")
        if not sick and not silent:
            return
        if sick:
            tried |= sick.keys()
            anew = ("systemd", {"name": "containerd", "state": "restarted", "_title": "Restart containerd: no CRI"})
            for result in engine.module_all(dict.fromkeys(sick, anew)).values():
                result.raise_if_failed()
            continue
        wait.longer("; ".join(f"{name}: {why[-300:]}" for name, why in silent.items()))
