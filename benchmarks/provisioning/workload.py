"""The work: one role that kprov and Ansible run as it is, and the same steps for pyinfra and as a shell script."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

# What every step needs to know of its host comes from these two host variables.
ROOT, NAME = "{{ bench_root }}", "{{ bench_name }}"

UNIT = """[Unit]
Description=Benchmark unit {number} of {name}
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

PYINFRA_HEAD = '''"""The benchmark's role as a pyinfra deploy."""
from io import StringIO
from pyinfra import host
from pyinfra.operations import {modules}
root, name, inventory_hostname = host.data.bench_root, host.data.bench_name, host.name
here = {here!r}
'''


@dataclass
class Workload:
    """A role in the making: its tasks for kprov and Ansible, the same steps for pyinfra, and as lines of a script.

    The script is what the work costs at the least: nobody looks whether there is something to do, nothing is synced to
    disk, no result is told. `$root` and `$name` are the host's, `$host` is its name.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    handlers: list[dict[str, Any]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    script: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, task: dict[str, Any], step: str, line: str = "") -> None:
        """One task, what it is for pyinfra, and in a shell script."""
        self.tasks.append(task)
        self.steps.append(step)
        if line:
            self.script.append(line)

    def root(self) -> None:
        """The folder that the rest is in."""
        task = {"name": "Root", "file": {"path": ROOT, "state": "directory"}}
        self.add(task, "files.directory(path=root)", "mkdir -p $root")

    def folders(self, count: int) -> None:
        """Folders."""
        for n in range(count):
            self.add(
                {"name": f"Folder {n}", "file": {"path": f"{ROOT}/dir{n}", "state": "directory", "mode": "0755"}},
                f"files.directory(path=f'{{root}}/dir{n}', mode='755')",
                f"mkdir -p -m 755 $root/dir{n}",
            )

    def copies(self, count: int) -> None:
        """Files as they are."""
        for n in range(count):
            self.files[f"files/file{n}.conf"] = "".join(f"setting_{n}_{line} = {line * 7}\n" for line in range(40))
            self.add(
                {"name": f"File {n}", "copy": {"src": f"file{n}.conf", "dest": f"{ROOT}/file{n}.conf", "mode": "0644"}},
                f"files.put(src=here + '/files/file{n}.conf', dest=f'{{root}}/file{n}.conf', mode='644')",
                _written(f"$root/file{n}.conf", self.files[f"files/file{n}.conf"]),
            )

    def templates(self, count: int) -> None:
        """Files that differ from host to host."""
        for n in range(count):
            self.files[f"templates/template{n}.j2"] = (
                "# {{ inventory_hostname }}\n{% for n in range(20) %}\n"
                "server{{ n }} = {{ inventory_hostname }}-{{ n }}\n{% endfor %}\n"
            )
            dest = f"template{n}.conf"
            self.add(
                {
                    "name": f"Template {n}",
                    "template": {"src": f"template{n}.j2", "dest": f"{ROOT}/{dest}", "mode": "0644"},
                },
                f"files.template(src=here + '/templates/template{n}.j2', dest=f'{{root}}/{dest}', mode='644', "
                "inventory_hostname=inventory_hostname)",
                _written(f"$root/{dest}", "# $host\n" + "".join(f"server{m} = $host-{m}\n" for m in range(20))),
            )

    def lines(self, count: int) -> None:
        """Lines in a file."""
        for n in range(count):
            self.add(
                {
                    "name": f"Line {n}",
                    "lineinfile": {
                        "path": f"{ROOT}/lines.conf",
                        "regexp": f"^key{n}=",
                        "line": f"key{n}=value{n}",
                        "create": True,
                    },
                },
                f"files.line(path=f'{{root}}/lines.conf', line='^key{n}=.*$', replace='key{n}=value{n}')",
                f"grep -qs ^key{n}= $root/lines.conf || echo key{n}=value{n} >> $root/lines.conf",
            )

    def commands(self, count: int) -> None:
        """Commands: every other one only where its file is missing, the rest always."""
        for n in range(count):
            if n % 2:
                self.add(
                    {"name": f"Command {n}", "command": {"cmd": f"touch {ROOT}/made{n}", "creates": f"{ROOT}/made{n}"}},
                    f"server.shell(commands=[f'test -e {{root}}/made{n} || touch {{root}}/made{n}'])",
                    f"test -e $root/made{n} || touch $root/made{n}",
                )
            else:
                self.add(
                    {"name": f"Command {n}", "command": {"cmd": f"test -d {ROOT}"}, "changed_when": False},
                    "server.shell(commands=[f'test -d {root}'])",
                    "test -d $root",
                )

    def users(self, count: int) -> None:
        """Groups and users in them."""
        for n in range(count):
            self.add(
                {"name": f"Group {n}", "group": {"name": f"{NAME}g{n}"}},
                f"server.group(group=f'{{name}}g{n}')",
                f"groupadd ${{name}}g{n}",
            )
            self.add(
                {
                    "name": f"User {n}",
                    "user": {"name": f"{NAME}u{n}", "group": f"{NAME}g{n}", "shell": "/bin/sh", "create_home": False},
                },
                f"server.user(user=f'{{name}}u{n}', group=f'{{name}}g{n}', shell='/bin/sh', create_home=False)",
                f"useradd -M -g ${{name}}g{n} -s /bin/sh ${{name}}u{n}",
            )

    def sysctl(self, count: int) -> None:
        """Kernel settings: a file below /etc/sysctl.d each, loaded when one changed."""
        load = "sysctl -q -p " + " ".join(f"/etc/sysctl.d/90-{NAME}{n}.conf" for n in range(count))
        self.handlers.append({"name": "load sysctl", "command": load})
        for n in range(count):
            path, text = f"/etc/sysctl.d/90-{NAME}{n}.conf", f"net.ipv4.tcp_keepalive_time = {7000 + n}\n"
            own = path.replace(NAME, "{name}")
            self.add(
                {"name": f"Kernel setting {n}", "copy": {"content": text, "dest": path}, "notify": "load sysctl"},
                f"s{n} = files.put(src=StringIO({text!r}), dest=f'{own}')",
                _written(path.replace(NAME, "${name}"), text),
            )
        changed = " or ".join(f"s{n}.did_change()" for n in range(count))
        self.steps.append(f"server.shell(commands=[f'{load.replace(NAME, '{name}')}'], _if=lambda: {changed})")
        self.script.append(load.replace(NAME, "${name}"))

    def packages(self) -> None:
        """Packages that are there."""
        for n, names in enumerate((["openssh-server", "python3"], ["sudo", "iproute2"])):
            self.add(
                {"name": f"Packages {n}", "package": {"name": names, "state": "present"}},
                f"apt.packages(packages={names!r})",
                f"dpkg-query -W {' '.join(names)} >/dev/null",
            )

    def units(self, count: int) -> None:
        """Units: installed, enabled, started."""
        for n in range(count):
            text = UNIT.format(number=n, name=NAME)
            self.add(
                {
                    "name": f"Unit file {n}",
                    "copy": {"content": text, "dest": f"/etc/systemd/system/{NAME}{n}.service", "mode": "0644"},
                },
                f"u{n} = files.put(src=StringIO({text!r}.replace({NAME!r}, name)), "
                f"dest=f'/etc/systemd/system/{{name}}{n}.service', mode='644')",
                _written(f"/etc/systemd/system/${{name}}{n}.service", text.replace(NAME, "$name")),
            )
        for n in range(count):
            self.add(
                {
                    "name": f"Unit {n} runs",
                    "systemd": {"name": f"{NAME}{n}", "enabled": True, "state": "started", "daemon_reload": n == 0},
                },
                f"systemd.service(service=f'{{name}}{n}', enabled=True, running=True, daemon_reload={n == 0})",
            )
        # All in one command: systemd is reloaded once.
        self.script.append("systemctl enable --now " + " ".join(f"${{name}}{n}" for n in range(count)))

    def write(self, folder: Path, become: bool = False) -> None:
        """Write roles/work, site.yaml, site_without_facts.yaml and deploy.py."""
        role = folder / "roles" / "work"
        texts = {
            "tasks/main.yml": yaml.safe_dump(self.tasks, sort_keys=False, width=200),
            "handlers/main.yml": yaml.safe_dump(self.handlers, sort_keys=False),
            **self.files,
        }
        for name, text in texts.items():
            path = role / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for facts in (True, False):
            play = [{"name": "Work", "hosts": "all", "gather_facts": facts, "roles": ["work"]}]
            name = "site.yaml" if facts else "site_without_facts.yaml"
            (folder / name).write_text(yaml.safe_dump(play, sort_keys=False))
        used = sorted({step.partition("(")[0].split("=")[-1].strip().partition(".")[0] for step in self.steps})
        head = PYINFRA_HEAD.format(modules=", ".join(used), here=str(role))
        (folder / "deploy.py").write_text(head + "\n".join(self.steps) + "\n")
        (folder / "script.sh").write_text("\n".join(self.script) + "\n")


def _written(path: str, text: str) -> str:
    """A file of plain words and the script's variables, in a shell script."""
    return f'printf %s "{text}" > {path}'


def files_and_commands(tasks: int = 60) -> Workload:
    """The part that needs no machine of its own: folders, files, templates, lines, commands."""
    work = Workload()
    share = tasks / 60
    work.root()
    work.folders(round(11 * share))
    work.copies(round(18 * share))
    work.templates(round(10 * share))
    work.lines(round(10 * share))
    work.commands(round(10 * share))
    return work


def whole() -> Workload:
    """What a machine is prepared with: also users, kernel settings, packages, units."""
    work = Workload()
    work.root()
    work.folders(9)
    work.copies(12)
    work.templates(8)
    work.lines(6)
    work.commands(4)
    work.users(4)
    work.sysctl(4)
    work.packages()
    work.units(3)
    return work


def folders_files_lines() -> Workload:
    """Sixty tasks that only write: 15 folders, 30 files, 15 lines in a file."""
    work = Workload()
    work.root()
    work.folders(14)
    work.copies(30)
    work.lines(15)
    return work


def pyinfra_inventory(hosts: dict[str, dict[str, Any]]) -> str:
    """The inventory as pyinfra reads it."""
    rows = []
    for name, variables in hosts.items():
        data = {
            "ssh_hostname": variables["ansible_host"],
            "ssh_port": variables.get("ansible_port", 22),
            "ssh_user": "root",
            "ssh_key": variables["ansible_ssh_private_key_file"],
            "ssh_known_hosts_file": variables["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
            "bench_root": variables["bench_root"],
            "bench_name": variables["bench_name"],
        }
        rows.append(f"    ({name!r}, {json.dumps(data)}),\n")
    return "hosts = [\n" + "".join(rows) + "]\n"
