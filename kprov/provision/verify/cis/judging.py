"""Whether what was read on a machine is what a row of the benchmark asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kprov.provision.verify.cis.reading import Machine


def problems(check: Mapping[str, Any], machine: Machine) -> list[str]:
    """What is wrong on a machine, each in words; nothing where the check holds."""
    if check.get("own_kernel") and machine.shares_its_kernel:
        return []
    if "files" in check:
        return list(_files(check, machine))
    if "differ" in check:
        return list(_same(check["differ"], machine))
    if "providers" in check:
        return list(_provider(check["providers"], machine))
    return list(_settings(check, machine))


def _files(check: Mapping[str, Any], machine: Machine) -> Iterator[str]:
    for pattern in check["files"]:
        found = machine.files.get(pattern) or []
        # A pattern may fit nothing (a worker has no key of etcd's); a file that is named must be there.
        if not found and "*" not in pattern:
            yield f"{pattern} is missing"
        for file in found:
            if "mode" in check and int(file.mode, 8) & ~int(check["mode"], 8):
                yield f"{file.path} has mode {file.mode}, and {check['mode']} is the most"
            if "owner" in check and file.owner != check["owner"]:
                yield f"{file.path} belongs to {file.owner}, not {check['owner']}"


def _same(paths: Sequence[str], machine: Machine) -> Iterator[str]:
    sums = [file.sha256 for path in paths for file in machine.files.get(path) or []]
    if len(sums) == len(paths) and len(set(sums)) < len(sums):
        yield f"{' and '.join(paths)} are the same"


def _provider(strong: Sequence[str], machine: Machine) -> Iterator[str]:
    if machine.provider not in strong:
        yield f"Secrets are sealed by {machine.provider or 'nothing'}; strong are {', '.join(strong)}"


def _settings(check: Mapping[str, Any], machine: Machine) -> Iterator[str]:
    if "process" in check:
        command_line = machine.processes.get(check["process"])
        if command_line is None:
            yield f"{check['process']} does not run"
            return
        flags = flags_of(command_line)
        for flag in check["flags"]:
            yield from _value(flag, flags.get(flag), check)
        return
    name = "kubelet" if "kubelet" in check else "proxy"
    configuration: Any = machine.kubelet if name == "kubelet" else machine.proxy
    if configuration is None:
        yield f"the configuration of {'the kubelet' if name == 'kubelet' else 'kube-proxy'} can't be read"
        return
    for part in str(check[name]).split("."):
        configuration = configuration.get(part) if isinstance(configuration, dict) else None
    yield from _value(check[name], _text(configuration), check)


def flags_of(command_line: Sequence[str]) -> dict[str, str]:
    """The flags of a process: ``--name=value``, ``--name value`` and ``--name``, which says true."""
    flags: dict[str, str] = {}
    for here, after in zip(command_line, [*command_line[1:], "--"], strict=True):
        if here.startswith("--"):
            name, equals, value = here.partition("=")
            flags[name] = value if equals else ("true" if after.startswith("-") else after)
    return flags


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _value(name: str, value: str | None, check: Mapping[str, Any]) -> Iterator[str]:
    if value is None:
        if not (check.get("or_unset") or check.get("unset")):
            yield f"{name} is not set"
        return
    if check.get("unset"):
        yield f"{name} is set: {value}"
    elif "is" in check and value != str(check["is"]):
        yield f"{name} is {value}, not {check['is']}"
    elif "not" in check and value == str(check["not"]):
        yield f"{name} is {value}"
    elif "has" in check and check["has"] not in value.split(","):
        yield f"{name} is {value}, without {check['has']}"
    elif "lacks" in check and check["lacks"] in value.split(","):
        yield f"{name} has {check['lacks']}"
    elif "at_least" in check and (not value.lstrip("-").isdigit() or int(value) < check["at_least"]):
        yield f"{name} is {value}, and {check['at_least']} is the least"
    elif "among" in check and (weak := sorted(set(value.split(",")) - set(check["among"]))):
        yield f"{name} has {', '.join(weak)}"
    elif check.get("set") and not value:
        yield f"{name} is empty"
