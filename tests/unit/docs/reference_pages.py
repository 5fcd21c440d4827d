"""The pages of docs/reference that are made from the code: modules, roles, the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
import yaml

from kprov.cli.main import app
from kprov.provision.agent import modules
from kprov.provision.agent.parameters import Parameter
from kprov.provision.cluster.sources import roles_folder
from kprov.provision.cluster.up import UP
from kprov.provision.engine.errands.catalogue import ERRANDS
from kprov.provision.engine.manual import ON_THE_CONTROLLER, manual_of, names
from kprov.provision.inventory.timeouts import Timeouts, in_words
from kprov.provision.verify.cis.catalogue import Met, rows

_HIDDEN = {"--install-completion", "--show-completion", "--help"}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _parameter_row(name: str, parameter: Parameter, text: str) -> str:
    kind = parameter.kind if parameter.elements is None else f"{parameter.kind} of {parameter.elements}"
    if parameter.choices and parameter.kind != "bool":
        kind = ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.required:
        default = "must be given"
    elif parameter.default in (None, [], {}, ""):
        default = ""
    else:
        value = parameter.default
        default = f"`{str(value).lower() if isinstance(value, bool) else value}`"
    names = ", ".join(f"`{each}`" for each in (name, *parameter.aliases))
    return f"| {names} | {kind} | {default} | {_cell(text)} |"


def _manual(name: str) -> Iterator[str]:
    manual = manual_of(name)
    assert manual is not None
    yield from (f"## {name}", "", manual.title, "")
    if manual.aliases:
        yield from (f"Also called {', '.join(f'`{each}`' for each in manual.aliases)}.", "")
    for paragraph in manual.text:
        yield from (paragraph, "")
    if manual.specification:
        yield from ("| parameter | kind | default | |", "|---|---|---|---|")
        for each, parameter in manual.specification.items():
            yield _parameter_row(each, parameter, manual.parameters.get(each, ""))
        yield ""
    if manual.rules:
        yield from (" ".join(manual.rules), "")
    if manual.returns:
        yield from ("| returns | |", "|---|---|")
        yield from (f"| `{each}` | {_cell(text)} |" for each, text in manual.returns.items())
        yield ""


def modules_page() -> str:
    """docs/reference/modules.md."""
    lines = [
        "# Modules",
        "",
        "What a task may do on a machine. Names, parameters and returned values are Ansible's where Ansible has the",
        "module; what is marked as kprov's own is not. Each compares first and changes only what differs; with",
        "`--check` it only compares. Every module that returns `path` or `dest` also returns its `owner`, `group`,",
        "`uid`, `gid`, `mode`, `size` and `state`. A module may also be named with its collection",
        "(`ansible.builtin.copy`). A name or a parameter that does not exist is refused before any machine is",
        "contacted, with the nearest one that does; no parameter is ever passed over in silence.",
        "",
        "On a machine a file is written beside its place, with its mode and owner set before it has content, synced",
        "and renamed: nobody ever sees half of it. Access lists and extended attributes of the file that it replaces",
        "go over to it, but for capabilities and signatures, which belong to the old content. Attributes that `chattr`",
        "sets are not kept; an immutable file is refused. Editing modules take bytes that are no UTF-8 and lines that",
        "end with CR LF as they are.",
        "",
        "`kprov module doc NAME` shows the same, `kprov module NAME KEY=VALUE -l PATTERN` runs one now",
        "([how to](../how-to.md#run-a-command-or-a-module-now)).",
        "",
        "## Done on the controller",
        "",
        "| action | what it does |",
        "|---|---|",
        *(f"| `{name}` | {ON_THE_CONTROLLER[name]} |" for name in names() if name in ON_THE_CONTROLLER),
        "",
    ]
    for name in sorted({*modules.NAMES, *ERRANDS}):
        lines += _manual(name)
    return "\n".join(lines)


def _tasks(folder: Path) -> list[dict[str, Any]]:
    return [task for task in yaml.safe_load((folder / "tasks/main.yml").read_text()) or [] if isinstance(task, dict)]


def roles_page() -> str:
    """docs/reference/roles.md."""
    lines = [
        "# Roles",
        "",
        "A role says what is done to a machine, in Ansible's words: `tasks/main.yml`, `handlers/main.yml`,",
        "`defaults/main.yml`. They lie in `roles/`, their templates in `templates/`. `kprov up` runs them in this",
        "order, between steps that are written in Python because they look at several machines at once.",
        "",
        "| step of `kprov up` | machines | role | tags |",
        "|---|---|---|---|",
    ]
    for phase in UP:
        serial = ", one by one" if phase.serial == 1 else ""
        serial = ", one by one where it runs already" if phase.rolling else serial
        tags = ", ".join(f"`{tag}`" for tag in sorted(phase.all_tags))
        role = f"[{phase.role}](#{phase.role})" if phase.role else ""
        lines.append(f"| {phase.title} | `{phase.hosts}`{serial} | {role} | {tags} |")
    lines += [
        "",
        "A variable below is a role's default: any place of the inventory that sets it is stronger",
        "([which value holds](inventory.md#which-value-of-a-variable-holds)).",
        "",
    ]
    for folder in sorted(path for path in roles_folder().iterdir() if path.is_dir()):
        lines += [f"## {folder.name}", "", *(f"- {task['name']}" for task in _tasks(folder) if "name" in task), ""]
        defaults = folder / "defaults/main.yml"
        if defaults.exists():
            lines += ["| variable | default |", "|---|---|"]
            for name, value in (yaml.safe_load(defaults.read_text()) or {}).items():
                shown = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
                lines.append(f"| `{name}` | `{_cell(shown)}` |")
            lines.append("")
    return "\n".join(lines)


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        names = [*parameter.opts, *parameter.secondary_opts]
        if _HIDDEN & set(names):
            continue
        if parameter.param_type_name == "argument":
            shown = f"`{(parameter.metavar or parameter.name or '').upper()}`"
        else:
            shown = ", ".join(f"`{name}`" for name in names)
        text = _cell(getattr(parameter, "help", None) or "")
        if getattr(parameter, "envvar", None):
            text += f" Environment: `{parameter.envvar}`."
        yield f"| {shown} | {text} |"


def _command(words: list[str], command: Any) -> Iterator[str]:
    if getattr(command, "commands", None):
        for name, child in command.commands.items():
            yield from _command([*words, name], child)
        return
    yield f"## {' '.join(words)}"
    yield ""
    yield re.sub(r"\s+", " ", command.help or "").strip()
    yield ""
    rows = list(_options(command))
    if rows:
        yield from ["| | |", "|---|---|", *rows, ""]


def cli_page() -> str:
    """docs/reference/cli.md."""
    from kprov.cli.main import _load
    from kprov.cli.verbs import available

    lines = [
        "# The command line",
        "",
        "`kprov VERB --help` shows the same. How a run ended is told by its [exit code](exit-codes.md).",
        "",
    ]
    assert typer.main.get_command(app)
    for name, verb in available().items():
        lines += _command(["kprov", name], _load(name, verb))
    return "\n".join(lines)


def timeouts_page() -> str:
    """docs/reference/timeouts.md."""
    lines = [
        "# Timeouts",
        "",
        "How long kprov waits, by what it waits for. A message of a wait says how long it has lasted, how long it may,",
        "and which of these it is. `--timeout KIND=DURATION` sets one for a run (several: `task=5m,nodes=10m`, or the",
        "option again); `kprov_timeouts` in the inventory, below `all.vars`, sets them for good:",
        "",
        "    all:",
        "      vars:",
        "        kprov_timeouts: {task: 10m, nodes: 5m}",
        "",
        "A duration is a number of seconds, or numbers with `ms`, `s`, `m`, `h` or `d`: `90`, `90s`, `1m30s`.",
        "",
        "| kind | default | how long it may take until |",
        "|---|---|---|",
        *(f"| `{kind}` | `{in_words(Timeouts().of(kind))}` | {about} |" for kind, about in Timeouts.kinds().items()),
        "",
        "**A machine that falls silent** (a cable that is pulled, a power cut) is given up after `silence`, and the",
        "run goes on with the others: exit code 3, and the summary says where that machine was. The agent that",
        "kprov left on it ends by itself, with whatever it had started, once it has heard nothing of kprov for one",
        "and a half times as long; until then it holds the machine's lock.",
        "",
        "**A task that hangs** is ended by the machine itself after `task`: the program that it had started is",
        "killed, with all of its children, and the task fails with a message that names the timeout. What a module",
        "waits for by itself (`wait_for`, `systemd`, `uri`, `command`) has a parameter `timeout`, as in Ansible;",
        "`task` ends it too. A task that is still at work is shown every 10 s: `waiting for deb on cp1, 20 s of 30m",
        "(task)`.",
        "",
        "`ansible_timeout` or `ansible_ssh_timeout` of a machine is stronger than `connect` there.",
        "",
    ]
    return "\n".join(lines)


_MET = {
    Met.DEFAULT: "yes",
    Met.PROFILE: "with the profile",
    Met.OTHERWISE: "by other means",
    Met.NOT: "no",
}


def cis_page() -> str:
    """docs/reference/cis.md."""
    lines = [
        "# The CIS benchmark",
        "",
        "What the CIS Kubernetes benchmark asks of master, etcd, control plane and nodes, in the order of kube-bench's",
        "files, and how a cluster of kprov's meets it. Most is met by default; what costs something, or differs from",
        "upstream's defaults, is met with the profile, which is a setting of the inventory:",
        "",
        "    all:",
        "      vars:",
        "        security_profile: cis",
        "",
        "`kprov up` brings it to a cluster that stands, machine by machine, as any other change.",
        "`kprov verify --profile cis` holds the machines against the table, in one round trip: it reads the flags of",
        "the processes that run, files, modes, owners and configurations, and names each row that is not met, where,",
        "and what to do. With the profile set, plain `kprov verify` does so, too.",
        "",
        "A number is that of cis-1.12 (Kubernetes 1.32 to 1.34) and, where it differs, of cis-1.20 (1.19 to 1.21).",
        "*warns*: kube-bench counts it as a warning, never as a failure.",
        "",
        "| cis-1.12 | cis-1.20 | what is asked | met | how, or why not |",
        "|---|---|---|---|---|",
    ]
    for row in rows():
        met = _MET[row.met] + ("" if row.scored else " (*warns*)")
        newest, oldest = row.ids.get("cis-1.12", "-"), row.ids.get("cis-1.20", "-")
        lines.append(f"| {newest} | {oldest} | {_cell(row.title)} | {met} | {_cell(row.how)} |")
    lines += [
        "",
        "## With kube-bench itself",
        "",
        "kube-bench looks for static pods' manifests, which kprov has none of. Tell it where the units are, in its",
        "`cfg/config.yaml`, and it checks those (1.1.1 to 1.1.8):",
        "",
        "    master:",
        "      apiserver:",
        "        confs: [/etc/systemd/system/kube-apiserver.service]",
        "      scheduler:",
        "        confs: [/etc/systemd/system/kube-scheduler.service]",
        "      controllermanager:",
        "        confs: [/etc/systemd/system/kube-controller-manager.service]",
        "      etcd:",
        "        confs: [/etc/systemd/system/etcd.service]",
        "    node:",
        "      proxy:",
        "        kubeconfig: [/etc/kubernetes/kube-proxy.conf]",
        "",
        "With the profile cis what then still fails is 1.1.19 (etcd's own keys belong to etcd) and, in cis-1.20 only,",
        "1.2.15 and 1.2.18, which ask for parts that Kubernetes no longer has; in containers 4.2.6 of cis-1.20, too.",
        "",
    ]
    return "\n".join(lines)


PAGES = {
    "modules.md": modules_page,
    "roles.md": roles_page,
    "cli.md": cli_page,
    "timeouts.md": timeouts_page,
    "cis.md": cis_page,
}
