"""pip: Python packages are installed, up to date, or gone.

Parameters:
    name: the packages, with versions (`django>=4,<5`) if wanted.
    version: of a single package.
    requirements: a file of the machine that lists packages.
    virtualenv: the environment that is meant, made if it is not there.
    virtualenv_command: what makes it.
    virtualenv_python: the Python that it is made with.
    virtualenv_site_packages: it sees the machine's packages, too.
    executable: the pip that is run; none: the environment's, or pip3.
    extra_args: further arguments of pip.
    editable: from a folder that stays in use.
    chdir: where pip runs.
    umask: of the files.
    break_system_packages: install beside Debian's packages, which Debian's pip refuses.
    state: present; latest; absent; forcereinstall.

Returns:
    name: the packages.
    version: what was asked for.
    cmd: what was run.
    stdout: what pip said.
    stderr: what pip said on standard error.
    virtualenv: the environment.
    requirements: the file.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import Any

from kprov.provision.agent import diffs, processes
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "name": Parameter("list", elements="str"),
    "version": Parameter("str"),
    "requirements": Parameter("str"),
    "virtualenv": Parameter("path"),
    "virtualenv_command": Parameter("path", default="virtualenv"),
    "virtualenv_python": Parameter("str"),
    "virtualenv_site_packages": Parameter("bool", default=False),
    "executable": Parameter("path"),
    "extra_args": Parameter("str"),
    "editable": Parameter("bool", default=False),
    "chdir": Parameter("path"),
    "umask": Parameter("mode"),
    "break_system_packages": Parameter("bool", default=False),
    "state": Parameter("str", default="present", choices=("absent", "forcereinstall", "latest", "present")),
}
REQUIRES_ONE_OF = [("name", "requirements", "virtualenv")]
MUTUALLY_EXCLUSIVE = [("name", "requirements"), ("executable", "virtualenv")]

_NAME = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(.*)$")


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(call: Call, command: list[str]) -> processes.Completed:
    umask = int(call["umask"], 8) if call["umask"] else None
    completed = processes.run(
        command, environment={"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **call.environment},
        directory=call["chdir"], user=call.become_user, umask=umask,
    )  # fmt: skip
    if completed.rc != 0:
        raise ModuleFailed(
            "%s: %s" % (" ".join(command), completed.words()),
            rc=completed.rc, stdout=completed.stdout, stderr=completed.stderr,
        )  # fmt: skip
    return completed


def _pip(call: Call) -> list[str]:
    if call["virtualenv"]:
        return [os.path.join(call["virtualenv"], "bin", "python"), "-m", "pip"]
    return [call["executable"] or "pip3"]


def _environment(call: Call) -> bool:
    """Have the environment. Whether it had to be made."""
    folder = call["virtualenv"]
    if not folder or os.path.exists(os.path.join(folder, "bin", "activate")):
        return False
    if not call.check:
        command = shlex.split(call["virtualenv_command"])
        if call["virtualenv_site_packages"]:
            command.append("--system-site-packages")
        if call["virtualenv_python"]:
            command += ["-p", call["virtualenv_python"]]
        _run(call, [*command, folder])
    return True


def _installed(call: Call) -> dict[str, str]:
    """What pip knows of: canonical name -> version."""
    if call["virtualenv"] and not os.path.exists(_pip(call)[0]):
        return {}
    shown = _run(call, [*_pip(call), "list", "--format=json"]).stdout
    return {canonical(each["name"]): each["version"] for each in json.loads(shown[shown.index("[") :])}


def _arguments(call: Call) -> list[str]:
    """Of `pip install`."""
    found = {"latest": ["--upgrade"], "forcereinstall": ["--upgrade", "--force-reinstall"]}.get(call["state"], [])
    found += shlex.split(call["extra_args"] or "")
    found += ["--break-system-packages"] if call["break_system_packages"] else []
    if call["requirements"]:
        return [*found, "-r", call["requirements"]]
    names = [name + ("==" + call["version"] if call["version"] else "") for name in call["name"] or []]
    return found + [word for name in names for word in ((["-e"] if call["editable"] else []) + [name])]


def _is_there(call: Call, name: str, installed: dict[str, str]) -> bool:
    """Whether a package is installed in the version that is asked for, as far as that can be told without pip."""
    match = _NAME.match(name)
    if match is None or "://" in name or "/" in name or call["editable"]:
        return False
    rest = "==" + call["version"] if call["version"] else match[2].strip()
    version = installed.get(canonical(match[1]))
    if version is None:
        return False
    if not rest:
        return True
    exact = re.match(r"^===?\s*([\w.!+-]+)$", rest)
    return exact is not None and exact[1] == version


def run(call: Call) -> dict[str, Any]:
    """Compare with what is installed, then tell pip."""
    names, state = call["name"] or [], call["state"]
    if call["version"] and len(names) != 1:
        raise ModuleFailed("'version' goes with a single package")
    made = _environment(call)
    before = _installed(call) if not (made and call.check) else {}
    command: list[str] = []
    if state == "absent":
        gone = [each for each in names if (match := _NAME.match(each)) and canonical(match[1]) in before]
        if gone:
            command = [*_pip(call), "uninstall", "-y", *gone]
            command += ["--break-system-packages"] if call["break_system_packages"] else []
    elif call["requirements"] or (
        names and (state != "present" or not all(_is_there(call, each, before) for each in names))
    ):
        command = [*_pip(call), "install", *_arguments(call)]
    result: dict[str, Any] = {"changed": made, "name": names, "version": call["version"], "state": state}
    result.update(virtualenv=call["virtualenv"], requirements=call["requirements"], cmd=command)
    changes: list[tuple[str, object, object]] = [("virtualenv", None, call["virtualenv"])] if made else []
    if command and call.check:
        changes += _planned(call, command, before, names)
    elif command:
        completed = _run(call, command)
        after = _installed(call)
        result.update(stdout=completed.stdout, stderr=completed.stderr)
        every = sorted({*before, *after})
        changes += [(each, before.get(each), after.get(each)) for each in every if before.get(each) != after.get(each)]
        if state == "forcereinstall" and not changes:
            changes.append(("packages", "installed", "installed anew"))
    result["changed"] = bool(changes)
    result["diff"] = diffs.values(changes, "Python packages") if call.diff else ""
    return result


def _planned(
    call: Call, command: list[str], before: dict[str, str], names: list[str]
) -> list[tuple[str, object, object]]:
    """What pip would do, by its own word; where it cannot say (it is not there yet), what is asked for."""
    if call["state"] == "absent":
        return [(each, before.get(canonical(each)), None) for each in names]
    try:
        shown = _run(call, [*command, "--dry-run", "--quiet", "--report", "-"]).stdout
        planned = json.loads(shown[shown.index("{") :])["install"]
    except (ModuleFailed, ValueError, KeyError):
        missing = [each for each in names if not _is_there(call, each, before)]
        return [(each, None, call["version"] or "present") for each in missing or [str(call["requirements"])]]
    found = [(canonical(each["metadata"]["name"]), each["metadata"]["version"]) for each in planned]
    return [(name, before.get(name), version) for name, version in sorted(found) if before.get(name) != version]
