"""Modules called by procedures, one by one or many in a row without waiting in between."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.engine import actions, pool
from kprov.provision.engine.account import Account
from kprov.provision.engine.connections import Connections
from kprov.provision.engine.control_modules import CONTROL
from kprov.provision.engine.errands.catalogue import ERRANDS, run_errand
from kprov.provision.engine.errands.machine import Machine
from kprov.provision.engine.errors import EngineError
from kprov.provision.engine.module_names import own_name
from kprov.provision.engine.output_lines import add_lines
from kprov.provision.engine.result import Result, Status
from kprov.provision.engine.scope import OMIT, TemplateProblem
from kprov.provision.engine.secrets import CENSORED
from kprov.provision.engine.session import HostSession
from kprov.provision.engine.surprises import surprise
from kprov.provision.engine.templating import Templar
from kprov.provision.engine.time_limits import TimeLimits
from kprov.provision.engine.variables import Variables
from kprov.provision.inventory.timeouts import Timeouts
from kprov.provision.transport.errors import Unreachable
from kprov.provision.transport.link import AgentLink

# They only look. Where a procedure asks for them, an answer like "there is no such file" is no failure of the run.
PROBES = frozenset({"stat", "slurp", "find", "getent", "ping", "setup", "package_facts", "service_facts"})

Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Posted:
    """A call on its way, or its result where it could not even be sent."""

    name: str
    title: str
    options: dict[str, Any]
    answer: int | Result
    number: int | None = None
    check: bool = False


class ModuleCalls:
    """Runs modules for procedures.

    Args:
        account: told of the results.
        connections: told of lost ones.
        variables: what templates of the calls see.
        templar: renders them.
        diff: the run's.
        forks: hosts at a time.
        timeouts: of a call, and of all that are made at once on a host.
    """

    def __init__(
        self,
        account: Account,
        connections: Connections,
        variables: Variables,
        templar: Templar,
        *,
        diff: bool,
        forks: int,
        timeouts: Timeouts,
    ) -> None:
        self._account = account
        self._connections = connections
        self._variables = variables
        self._templar = templar
        self._diff = diff
        self._forks = forks
        self._timeouts = timeouts

    def on_all(self, wanted: Mapping[HostSession, Sequence[Call]]) -> dict[HostSession, list[Result]]:
        """Run each host's calls in order, all hosts at once."""
        results: dict[HostSession, list[Result]] = {}

        def work(session: HostSession) -> None:
            results[session] = self.on(session, wanted[session])

        pool.each(list(wanted), work, self._forks, self._connections.interrupted)
        return results

    def on(self, session: HostSession, calls: Sequence[Call]) -> list[Result]:
        """Run calls on a host: sent without waiting in between, done in order to the end, whatever fails."""
        if session.link is None or session.state.state == "unreachable":
            reason = session.state.reason or "not connected"
            return [Result(session.name, name, Status.UNREACHABLE, reason) for name, _ in calls]
        results: list[Result] = []
        for together in _together(calls):
            if session.link is None:
                results += [
                    Result(session.name, name, Status.UNREACHABLE, session.state.reason) for name, _ in together
                ]
            elif own_name(together[0][0]) in ERRANDS:
                results.append(self._errand(session, session.link, *together[0]))
            else:
                results += self._pipelined(session, session.link, together)
        return results

    def _errand(self, session: HostSession, link: AgentLink, name: str, given: Mapping[str, Any]) -> Result:
        """What takes several words with the machine."""
        options, arguments = _apart(given)
        own, title, role = own_name(name) or name, str(options.get("_title") or name), self._account.phase_title
        check = bool(options.get("_check", session.check))
        number = self._account.sent(session, role, title, check=check, quiet=bool(options.get("_quiet")))
        limits = TimeLimits(link, self._timeouts)
        limits.tell(options.get("_timeout"))
        machine = Machine(
            session,
            limits,
            self._connections.renew,
            self._connections.leave,
            self._account.waiting,
            Path.cwd(),
            check,
            self._diff and not options.get("_no_log"),
            options.get("_become_user"),
            options.get("_environment") or {},
        )
        session.queue += 1
        call = _Posted(name, title, options, 0, number, check)
        begun = time.monotonic()
        try:
            answer = run_errand(own, arguments, machine)
        except Exception as error:
            return self._lost(session, role, error)
        result = self._result(session, call, {"result": answer, "seconds": round(time.monotonic() - begun, 4)})
        self._tell(session, role, call, result)
        return result

    def _pipelined(self, session: HostSession, link: AgentLink, calls: Sequence[Call]) -> list[Result]:
        """What is sent without waiting in between."""
        results: list[Result] = []
        role = self._account.phase_title
        session.queue += 1
        limits = TimeLimits(link, self._timeouts)
        try:
            posted = []
            for index, (name, given) in enumerate(calls):
                if index == 0 or "_timeout" in {**given, **calls[index - 1][1]}:
                    limits.tell(given.get("_timeout"))
                posted.append(self._post(session, link, name, given))
            for call in posted:
                if isinstance(call.answer, Result):
                    result = call.answer
                else:
                    result = self._result(session, call, limits.wait(call.answer, call.options.get("_timeout")))
                results.append(result)
                self._tell(session, role, call, result)
        except Exception as error:
            lost = self._lost(session, role, error)
            results += [Result(session.name, name, lost.status, lost.message) for name, _ in calls[len(results) :]]
        return results

    def _lost(self, session: HostSession, role: str, error: Exception) -> Result:
        """A connection that ended, or is of no use any more. Raises what is neither."""
        broken = error if isinstance(error, Unreachable) else surprise(session.name, error, self._account)
        if broken is None:
            raise error
        return self._connections.lost(session, role, broken)

    def _post(self, session: HostSession, link: AgentLink, name: str, given: Mapping[str, Any]) -> _Posted:
        options, arguments = _apart(given)
        own = own_name(name)
        title = str(options.get("_title") or _title(name, arguments))
        if own is None or own in CONTROL:
            raise EngineError(f"there is no module '{name}'")
        scope = self._variables.of_host(session.name)
        try:
            ready = actions.prepare(own, arguments, actions.Surroundings(self._templar, scope))
        except TemplateProblem as problem:
            return _Posted(name, title, options, Result(session.name, title, Status.FAILED, str(problem)))
        for sha256, source in ready.contents.items():
            link.offer(sha256, source)
        message: dict[str, Any] = {
            "module": ready.module,
            "arguments": ready.arguments,
            "queue": session.queue,
            "go_on": True,
        }
        check = bool(options.get("_check", session.check))
        if check:
            message["check"] = True
        if self._diff and not options.get("_no_log"):
            message["diff"] = True
        if options.get("_environment"):
            message["environment"] = options["_environment"]
        if options.get("_become_user"):
            message["become_user"] = options["_become_user"]
        quiet = bool(options.get("_quiet")) or _is_probe(name, options)
        number = self._account.sent(session, self._account.phase_title, title, check=check, quiet=quiet)
        return _Posted(name, title, options, link.post("task", **message), number, check)

    def _result(self, session: HostSession, call: _Posted, frame: dict[str, Any]) -> Result:
        data = frame["result"]
        add_lines(data)
        if _is_probe(call.name, call.options):
            data["changed"] = False
        if data.get("failed"):
            status = Status.FAILED
        elif data.get("skipped"):
            status = Status.SKIPPED
        else:
            status = Status.CHANGED if data.get("changed") else Status.OK
        message = str(data.get("msg") or "")
        if call.options.get("_no_log"):
            message = CENSORED if message else ""
        facts = data.get("ansible_facts")
        if isinstance(facts, dict):
            session.learn(facts)
        diff, seconds = str(data.get("diff") or ""), frame.get("seconds", 0.0)
        return Result(
            session.name, call.title, status, message, diff, data, seconds, number=call.number, check=call.check
        )

    def _tell(self, session: HostSession, role: str, call: _Posted, result: Result) -> None:
        """A probe's "no" is an answer, not a failure: it is journalled only."""
        if call.options.get("_quiet") or (result.failed and _is_probe(call.name, call.options)):
            self._account.asked(session.name, role, result)
        else:
            self._account.result(session.name, role, result)


def _apart(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The engine's options and the module's arguments."""
    options = {key: value for key, value in given.items() if key.startswith("_")}
    return options, {key: value for key, value in given.items() if not key.startswith("_") and value is not OMIT}


def _together(calls: Sequence[Call]) -> list[list[Call]]:
    """The calls in order: what can be sent in one go, and each errand by itself."""
    found: list[list[Call]] = []
    for call in calls:
        if not found or any(own_name(name) in ERRANDS for name in (call[0], found[-1][-1][0])):
            found.append([])
        found[-1].append(call)
    return found


def _is_probe(name: str, options: Mapping[str, Any]) -> bool:
    """Whether a call only looks: a module that cannot do else, or a command that is run in check mode, too."""
    own = own_name(name)
    return own in PROBES or (own in ("command", "shell") and options.get("_check") is False)


def _title(name: str, arguments: Mapping[str, Any]) -> str:
    for key in ("path", "dest", "name", "src", "cmd"):
        if isinstance(arguments.get(key), str):
            return f"{name} {arguments[key]}"
    if isinstance(arguments.get("argv"), (list, tuple)):
        return f"{name} {' '.join(map(str, arguments['argv']))}"
    return name
