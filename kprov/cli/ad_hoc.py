"""One module on some machines, for a person who asks for it now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kprov.cli.exit_codes import ExitCode, of_outcome

if TYPE_CHECKING:
    from kprov.cli.output.base import RunReporter
    from kprov.provision.engine import Engine, Result
    from kprov.provision.inventory import Inventory
    from kprov.provision.inventory.timeouts import Timeouts
    from kprov.provision.playbook.ansible_cfg import AnsibleCfg

# They only look, so no lock is needed for them.
LOOKING = frozenset({"find", "getent", "package_facts", "ping", "service_facts", "setup", "slurp", "stat"})


class AskedWrongly(ValueError):
    """What was asked for can't be done: there is no such module or parameter. Nothing was changed."""

    exit_code = ExitCode.USAGE
    noun = "mistake"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Asked:
    """A module, its arguments and how it is to be run."""

    module: str
    arguments: Mapping[str, Any]
    settings: AnsibleCfg
    """What Ansible was told of how machines are connected to."""
    check: bool = False
    diff: bool = False
    become_user: str | None = None
    timeouts: Timeouts | None = None
    forks: int = 32
    accept_new_host_keys: bool = False
    lock: bool = True
    command_line: str = "kprov module"


def machines_of(path: Path, extra_vars: Iterable[str] | None, settings: AnsibleCfg) -> Inventory:
    """The inventory; one that is not yet whole as a cluster's will do, for machines can be asked all the same."""
    from kprov.cli.inventory_source import open_inventory
    from kprov.provision.inventory import InventoryErrors

    try:
        return open_inventory(path, extra_vars, cluster=None, private_key_file=settings.private_key_file)
    except InventoryErrors:
        return open_inventory(path, extra_vars, cluster=False, private_key_file=settings.private_key_file)


def arguments_of(module: str, words: Sequence[str]) -> dict[str, Any]:
    """A module's arguments as a command line has them: `key=value` words, or the module's bare text.

    A value that is JSON of a list or a mapping is one. Raises AskedWrongly.
    """
    from kprov.provision.engine.module_names import free_form, own_name, specification, wrong_arguments

    own = own_name(module)
    if own is None:
        raise AskedWrongly([_unknown(module)])
    form, known = free_form(own), specification(own) or {}
    takes = {each for name, parameter in known.items() for each in (name, *parameter.aliases)}
    found: dict[str, Any] = {}
    text: list[str] = []
    problems: list[str] = []
    for word in words:
        key, separator, value = word.partition("=")
        if form is not None and not (separator and key in takes):
            text.append(word)
        elif not separator:
            problems.append(f"'{word}' is no key=value, and {module} takes no bare text")
        else:
            found[key] = _value(value)
    if text and form is not None:
        found[form] = text[0] if len(text) == 1 else " ".join(text)
    problems += [f"kprov's {module} {problem}" for problem in wrong_arguments(own, found)]
    if problems:
        raise AskedWrongly(problems)
    return found


def _unknown(module: str) -> str:
    from kprov.provision.engine.module_names import closest, is_foreign

    if is_foreign(module):
        return f"kprov has no module '{module}', though Ansible has; see which there are with: kprov module list"
    near = closest(module)
    hint = f"did you mean '{near}'?" if near else "see which there are with: kprov module list"
    return f"there is no module '{module}'; {hint}"


def _value(text: str) -> Any:
    if text[:1] in ("[", "{") and not text.startswith(("{{", "{%")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


@contextmanager
def _engine(inventory: Inventory, asked: Asked, output: RunReporter) -> Iterator[Engine]:
    from kprov.provision.engine import Engine
    from kprov.provision.engine.reporter import SilentReporter

    class Warnings(SilentReporter):
        """Each host's result is shown by itself; only what else a person should know comes through."""

        def warning(self, message: str) -> None:
            output.warning(message)

    with Engine(
        inventory,
        reporter=Warnings(),
        check=asked.check,
        diff=asked.diff,
        forks=asked.forks,
        templates_path=Path("templates"),
        state_directory=inventory.cluster.state_directory,
        accept_new_host_keys=asked.accept_new_host_keys,
        timeouts=asked.timeouts,
        lock=False if not asked.lock or asked.check or asked.module in LOOKING else None,
        command_line=asked.command_line,
    ) as engine:
        output.run_id = engine.run_id
        yield engine


def results_of(
    inventory: Inventory, hosts: Sequence[Any], asked: Asked, output: RunReporter
) -> tuple[list[Result], ExitCode]:
    """Run it on the hosts, all at once. Each host's result, in their order, and the exit code."""
    from kprov.provision.engine import Result, Status

    with _engine(inventory, asked, output) as engine:
        for host in hosts:
            asked.settings.apply_to(engine.session(host))
        states = engine.connect(hosts)
        alive = engine.alive(hosts)
        calls = {host.name: _call(engine, host.name, asked) for host in alive}
        ready = {name: call for name, call in calls.items() if not isinstance(call, Result)}
        found = {**calls, **engine.module_all(ready)}
        for host in hosts:
            if host.name not in found:
                state = states[host.name]
                found[host.name] = Result(host.name, asked.module, Status.UNREACHABLE, state.reason or state.state)
        results = [_masked(engine, found[host.name]) for host in hosts]
        locked = any(state.state == "locked" for state in states.values())
    if any(result.status is Status.FAILED for result in results):
        return results, ExitCode.FAILED
    if locked:
        return results, of_outcome("locked")
    unreachable = any(result.status is Status.UNREACHABLE for result in results)
    return results, ExitCode.UNREACHABLE if unreachable else ExitCode.OK


def _call(engine: Engine, host: str, asked: Asked) -> Any:
    """The host's call, its templates rendered with the host's variables; a failed result where that can't be."""
    from kprov.provision.engine import Result, Status
    from kprov.provision.engine.scope import TemplateProblem
    from kprov.provision.engine.templating import Templar

    try:
        arguments = Templar().render(dict(asked.arguments), engine.variables.of_host(host))
    except TemplateProblem as problem:
        return Result(host, asked.module, Status.FAILED, str(problem))
    options: dict[str, Any] = {"_title": asked.module, "_check": asked.check}
    if become_user := asked.become_user or (asked.settings.become_user if asked.settings.become else None):
        options["_become_user"] = become_user
    return (asked.module, {**arguments, **options})


def _masked(engine: Engine, result: Result) -> Result:
    """The result without secrets."""
    mask = engine.secrets.mask

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return mask(value)
        if isinstance(value, dict):
            return {key: clean(each) for key, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list) else value

    result.data, result.message, result.diff = clean(result.data), mask(result.message), mask(result.diff)
    return result


def show(output: RunReporter, results: Sequence[Result], text_of: Any) -> None:
    """Every result once for programs; for people, hosts with the same outcome together."""
    from kprov.cli.invocation import current

    if current.is_json:
        for result in results:
            facts = {key: value for key, value in result.data.items() if key not in ("diff", "event", "time")}
            output.event(
                "result",
                "",
                host=result.host,
                status=str(result.status),
                msg=result.message or None,
                diff=result.diff or None,
                **{key: value for key, value in facts.items() if key not in ("host", "status", "msg")},
            )
        return
    together: dict[tuple[str, str], list[str]] = {}
    for result in results:
        together.setdefault(text_of(result), []).append(result.host)
    for (headline, body), hosts in together.items():
        output.event("result", f"{', '.join(hosts)}: {headline}" + (f"\n{body.rstrip()}" if body.strip() else ""))
