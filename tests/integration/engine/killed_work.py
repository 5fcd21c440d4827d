"""Real work of the engine, to be killed: run as a program, it forks a process for each folder named on its input.

Each task leaves a trace of its own name on the disk, so that what a journal says can be held against what was done.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HOSTS = ("a", "b")
TASKS = 24
CALLS = 8
ITEMS = 3


def traces_of(task: str) -> list[str]:
    """The files that a task leaves."""
    return [f"{task}-{item}" for item in range(ITEMS)] if task.startswith("loop") else [task]


def all_tasks() -> list[str]:
    """Every task of a host that is not a handler, in its order."""
    kinds = ("copy", "shell", "loop", "file")
    return [f"{kinds[number % 4]}{number}" for number in range(TASKS)] + [f"call{number}" for number in range(CALLS)]


def _role() -> str:
    lines = []
    for name in all_tasks()[:TASKS]:
        lines.append(f"- name: {name}")
        if name.startswith("copy"):
            lines.append(f'  copy: {{content: "{name}", dest: "{{{{ out }}}}/{name}"}}')
            lines.append("  notify: handler")
        elif name.startswith("shell"):
            lines.append(f'  shell: "test -e {{{{ out }}}}/{name} || touch {{{{ out }}}}/{name}"')
            lines.append(f"  register: {name}")
        elif name.startswith("loop"):
            lines.append(f'  copy: {{content: x, dest: "{{{{ out }}}}/{name}-{{{{ item }}}}"}}')
            lines.append(f"  loop: {list(range(ITEMS))}")
        else:
            lines.append(f'  file: {{path: "{{{{ out }}}}/{name}", state: directory}}')
            lines.append(f"  when: shell{int(name[4:]) - 2} is defined")
    return "\n".join(lines) + "\n"


def lay_out(folder: Path) -> None:
    """Write the role."""
    for part, text in (("tasks", _role()), ("handlers", '- name: handler\n  shell: "touch {{ out }}/handler"\n')):
        (folder / "roles/r" / part).mkdir(parents=True)
        (folder / "roles/r" / part / "main.yml").write_text(text)


def _inventory(folder: Path) -> Any:
    def host(name: str) -> Any:
        out = folder / "out" / name
        out.mkdir(parents=True, exist_ok=True)
        variables = {"ansible_connection": "local", "ansible_become": False, "out": str(out)}
        variables["kprov_lock_path"] = str(folder / f"lock-{name}")
        return SimpleNamespace(
            name=name, address="127.0.0.1", port=22, user="root", variables=variables, groups=("all",)
        )

    return SimpleNamespace(
        hosts={name: host(name) for name in HOSTS},
        members={"all": HOSTS},
        cluster=SimpleNamespace(cluster_name="killed"),
        is_cluster=False,
        path=folder / "inventory.yaml",
        layers={},
    )


def work(folder: Path) -> None:
    """One run: a role on all machines, then a procedure's calls."""
    from kprov.provision.engine import Engine

    inventory = _inventory(folder)
    with Engine(
        inventory,
        roles_path=folder / "roles",
        templates_path=folder / "roles",
        state_directory=folder / "state",
        command_line="kprov up",
    ) as engine:
        states = engine.connect()
        assert all(state.state == "connected" for state in states.values()), states
        engine.run_role("r", list(HOSTS), title="The role")
        with engine.phase("The calls", list(HOSTS)):
            engine.module_all(
                {
                    name: [
                        (
                            "copy",
                            {"content": "x", "dest": f"{folder}/out/{name}/call{number}", "_title": f"call{number}"},
                        )
                        for number in range(CALLS)
                    ]
                    for name in HOSTS
                }
            )


def main() -> None:
    """Read folders; for each, say the process that works there, and then how it ended."""
    import kprov.provision.engine
    import kprov.provision.transport.local

    assert kprov.provision.engine
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(Path(line.strip()))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
