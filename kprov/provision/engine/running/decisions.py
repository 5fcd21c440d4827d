"""What the controller decides by itself: set_fact, assert, fail, debug."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.session import HostSession
from kprov.provision.engine.tasks import Task
from kprov.provision.engine.templating import Scope, Templar


def decide(task: Task, templar: Templar, scope: Scope, session: HostSession) -> dict[str, Any]:
    """Do one of them; returns its result."""
    if task.module == "set_fact":
        values = templar.render({key: value for key, value in task.arguments.items() if key != "cacheable"}, scope)
        session.registered.update(values)
        return {"changed": False, "ansible_facts": {}}
    if task.module == "assert":
        return _assert(task, templar, scope)
    if task.module == "fail":
        return {"failed": True, "msg": str(templar.render(task.arguments["msg"], scope))}
    if "var" in task.arguments:
        shown = templar.evaluate(str(task.arguments["var"]), scope)
        return {"changed": False, "msg": f"{task.arguments['var']}: {shown}", "debug": True}
    return {
        "changed": False,
        "msg": templar.render(task.arguments.get("msg", "Hello world!"), scope),
        "debug": True,
    }


def _assert(task: Task, templar: Templar, scope: Scope) -> dict[str, Any]:
    that = task.arguments["that"]
    for condition in that if isinstance(that, list) else [that]:
        if not templar.is_true(condition, scope):
            text = task.arguments.get("fail_msg") or task.arguments.get("msg")
            return {
                "failed": True,
                "msg": str(templar.render(text, scope)) if text else f"not true: {condition}",
                "assertion": str(condition),
            }
    return {"changed": False}
