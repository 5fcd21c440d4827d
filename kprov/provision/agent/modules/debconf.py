"""debconf: a package's question has its answer before it is asked.

Parameters:
    name: the package.
    question: the question, such as tzdata/Areas; none: nothing is set, only told.
    value: the answer.
    vtype: what kind of question it is.
    unseen: the question is asked all the same, with this answer proposed.

Returns:
    current: the package's answers.
    previous: what they were.
    msg: what was done.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.parameters import Parameter

_KINDS = ("boolean", "error", "multiselect", "note", "password", "seen", "select", "string", "text", "title")

PARAMETERS = {
    "name": Parameter("str", required=True, aliases=("pkg",)),
    "question": Parameter("str", aliases=("selection", "setting")),
    "value": Parameter("any", aliases=("answer",)),
    "vtype": Parameter("str", choices=_KINDS),
    "unseen": Parameter("bool", default=False),
}
REQUIRED_BY = {"question": ("vtype", "value")}


def _answers(call: Call) -> dict[str, str]:
    """The package's questions and answers."""
    completed = call.run(["debconf-show", call["name"]])
    found: dict[str, str] = {}
    for line in completed.stdout.splitlines():
        match = re.match(r"^[*\s]*(\S+): ?(.*)$", line)
        if match is not None:
            found[match[1]] = match[2].strip()
    return found


def _password(call: Call) -> str:
    """A secret answer is not shown, but told to whoever asks for it by name."""
    completed = call.run(["debconf-communicate", call["name"]], stdin=("get %s\n" % call["question"]).encode())
    code, _, value = completed.stdout.strip().partition(" ")
    return value if code == "0" else ""


def _text(call: Call) -> str:
    value = call["value"]
    if isinstance(value, bool) or call["vtype"] == "boolean":
        word = str(value).strip().lower()
        return {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(word, word)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def run(call: Call) -> dict[str, Any]:
    """Compare, then set."""
    previous = _answers(call)
    question = call["question"]
    if question is None:
        return {"changed": False, "msg": "", "current": previous}
    wanted, secret = _text(call), call["vtype"] == "password"
    now = _password(call) if secret else previous.get(question)
    same = now is not None and now == wanted
    if call["vtype"] == "multiselect" and now is not None:
        same = sorted(filter(None, re.split(r",\s*", now))) == sorted(filter(None, re.split(r",\s*", wanted)))
    if same:
        return {"changed": False, "msg": "", "current": previous}
    if not call.check:
        line = "%s %s %s %s\n" % (call["name"], question, call["vtype"], wanted)
        call.run(["debconf-set-selections", *(["--unseen"] if call["unseen"] else [])], stdin=line.encode())
    hidden = "(hidden)"
    change = (question, hidden if secret and now else now, hidden if secret else wanted)
    current = {question: hidden if secret else wanted}
    return {
        "changed": True,
        "msg": "",
        "current": current,
        "previous": {question: hidden if secret else now},
        "diff": diffs.values([change if not secret else (question, "(the old one)", "(a new one)")], call["name"])
        if call.diff
        else "",
    }
