"""The tools that are compared: how each is installed, told of the hosts, and run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from provisioning import workload


def peers(folder: Path) -> Path:
    """A virtual environment with the newest ansible-core and pyinfra, made on demand; returns its bin folder."""
    binaries = folder / "bin"
    if not (binaries / "pyinfra").exists() or not (binaries / "ansible-playbook").exists():
        venv.create(folder, with_pip=True)
        command = [
            str(binaries / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "ansible-core",
            "pyinfra",
        ]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return binaries


class Tool:
    """One tool.

    Args:
        folder: its working folder, with the role.
    """

    name = ""
    label = ""
    keeps = False
    runs_again = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left: set[int] = set()

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        """Tell it of the hosts."""

    def command(self, hosts: int) -> list[str]:
        """Its command line."""
        raise NotImplementedError

    def environment(self, hosts: int) -> Mapping[str, str]:
        """Its settings."""
        return {}

    def forget(self) -> None:
        """End what earlier runs left in the background."""
        for pid in self.left:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        self.left.clear()

    def end(self) -> None:
        """Leave nothing behind."""
        self.forget()


def _yaml_inventory(path: Path, hosts: dict[str, dict[str, Any]], names: Mapping[str, str]) -> None:
    """The hosts for kprov or Ansible: `names` says what each calls a variable."""
    found = {
        host: {names.get(name, name): value for name, value in variables.items() if names.get(name, name)}
        for host, variables in hosts.items()
    }
    path.write_text(yaml.safe_dump({"all": {"hosts": found}}, sort_keys=False))


_RUN = ("run", "site.yaml", "-i", "inventory.yaml")


class Kprov(Tool):
    """kprov.

    Args:
        folder: its working folder, with the role.
        keeps: as by default: connections are left to the next run for a minute, as they are with Ansible's settings.
    """

    name = label = "kprov"

    def __init__(self, folder: Path, keeps: bool = True) -> None:
        super().__init__(folder)
        self.keeps = keeps
        self._sockets = tempfile.mkdtemp(prefix="kb-") if keeps else None
        if not keeps:
            self.name, self.label = "kprov_anew", "kprov, anew"

    def environment(self, hosts: int) -> Mapping[str, str]:
        if self._sockets is None:
            return {"KPROV_KEEP_CONNECTIONS": "0"}
        return {"XDG_RUNTIME_DIR": self._sockets}

    def forget(self) -> None:
        super().forget()
        if self._sockets is not None:
            # What keeps connections ends when its folder goes.
            shutil.rmtree(self._sockets, ignore_errors=True)
            Path(self._sockets).mkdir(mode=0o700)

    def end(self) -> None:
        self.forget()
        if self._sockets is not None:
            Path(self._sockets).rmdir()

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        names = {"host_key": "kprov_host_key", "known_hosts": ""}
        # One machine plays many: each has a lock of its own.
        with_locks = {
            host: {**variables, "kprov_lock_path": f"{variables['bench_root']}.lock"}
            for host, variables in hosts.items()
        }
        _yaml_inventory(self.folder / "inventory.yaml", with_locks, names)

    def command(self, hosts: int) -> list[str]:
        return [str(Path(sys.executable).with_name("kprov")), *_RUN]

    def profiled(self, output: Path) -> list[str]:
        """The same, under a profiler that writes to a file."""
        return [sys.executable, str(Path(__file__).with_name("cpu_shares.py")), str(output), *_RUN]


class Ansible(Tool):
    """ansible-core, as fast as its own settings make it.

    Args:
        folder: its working folder, with the role.
        binaries: where it is installed.
        facts: whether it gathers facts, as it does by default.
    """

    def __init__(self, folder: Path, binaries: Path, facts: bool = True) -> None:
        super().__init__(folder)
        self._binaries = binaries
        self._facts = facts
        self.name = "ansible" if facts else "ansible_no_facts"
        self.label = "Ansible" if facts else "Ansible, no facts"

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        _yaml_inventory(self.folder / "inventory.yaml", hosts, {"host_key": ""})
        known = next(iter(hosts.values()))["known_hosts"]
        (self.folder / "ansible.cfg").write_text(
            "[defaults]\ninventory = inventory.yaml\nhost_key_checking = True\ninterpreter_python = /usr/bin/python3\n"
            "[ssh_connection]\npipelining = True\n"
            f"ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={known}\n"
            f"control_path_dir = {self.folder}/cp\n"
        )

    def command(self, hosts: int) -> list[str]:
        play = "site.yaml" if self._facts else "site_without_facts.yaml"
        return [str(self._binaries / "ansible-playbook"), "-f", str(hosts), play]

    def environment(self, hosts: int) -> Mapping[str, str]:
        return {"ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "ANSIBLE_HOME": str(self.folder / "home")}


class Pyinfra(Tool):
    """pyinfra, all hosts in parallel as it does by default.

    Args:
        folder: its working folder, with the role.
        binaries: where it is installed.
    """

    name = label = "pyinfra"

    def __init__(self, folder: Path, binaries: Path) -> None:
        super().__init__(folder)
        self._binaries = binaries

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        (self.folder / "inventory.py").write_text(workload.pyinfra_inventory(hosts))

    def command(self, hosts: int) -> list[str]:
        return [str(self._binaries / "pyinfra"), "-y", "inventory.py", "deploy.py"]


class Script(Tool):
    """No tool: a shell script of the same commands, sent through ssh to all hosts at once, once and for all.

    The first run is what any tool's first run costs at the least. It has no second run worth the name.
    """

    name = "script"
    label = "shell script"
    runs_again = False

    def write_inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        ways = []
        for host, variables in hosts.items():
            script = self.folder / f"{host}.sh"
            head = f"root={variables['bench_root']} name={variables['bench_name']} host={host}\nset -e\n"
            script.write_text(head + (self.folder / "script.sh").read_text())
            ways.append(
                f"ssh -q -i {variables['ansible_ssh_private_key_file']} -p {variables.get('ansible_port', 22)} "
                f"-o UserKnownHostsFile={variables['known_hosts']} root@{variables['ansible_host']} sh -s < {script} &"
            )
        waits = [f"wait %{number}" for number in range(1, len(ways) + 1)]
        (self.folder / "all.sh").write_text("\n".join(["set -m -e", *ways, *waits]) + "\n")

    def command(self, hosts: int) -> list[str]:
        return ["bash", "all.sh"]
