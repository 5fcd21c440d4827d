"""The manual of every module and action: from the modules' own docstrings and parameter tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kprov.provision.agent import attributes, modules
from kprov.provision.agent.parameters import Parameter
from kprov.provision.engine.actions import ACTIONS
from kprov.provision.engine.control_modules import CONTROL
from kprov.provision.engine.errands.catalogue import ERRANDS
from kprov.provision.engine.module_names import own_name, specification

# What the controller does by itself. Their parameters' meanings are Ansible's.
ON_THE_CONTROLLER = {
    "assert": "fails unless every condition of `that` holds",
    "debug": "shows `msg`, or the value of `var`",
    "fail": "fails with `msg`",
    "group_by": "puts hosts into groups by what `key` is for each",
    "import_role": "another role, read before the run begins",
    "import_tasks": "tasks of another file, read before the run begins",
    "include_role": "another role, chosen when its turn comes",
    "include_tasks": "tasks of another file, chosen when their turn comes",
    "include_vars": "variables from a file or a folder",
    "meta": "steers the run: `flush_handlers`, `end_host`, `end_play` and the like",
    "pause": "waits for a time",
    "set_fact": "sets variables of the host",
    "template": "a Jinja2 template becomes a file; otherwise it does what `copy` does",
    "validate_argument_spec": "checks variables against a specification",
    "add_host": "adds a host to the inventory of this run",
    "set_stats": "keeps values for the end of the run",
}

_SECTION = re.compile(r"^(Parameters|Returns|Raises|Args):$", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


@dataclass
class Manual:
    """What a person is told of a module.

    Attributes:
        name: its own name.
        title: one line.
        text: further paragraphs.
        specification: its parameters; None: any.
        parameters: parameter -> what it is.
        returns: value -> what it is.
        aliases: other names.
        rules: what its parameters must be together, a sentence each.
    """

    name: str
    title: str
    text: list[str] = field(default_factory=list)
    specification: dict[str, Parameter] | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    returns: dict[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def names() -> list[str]:
    """Every module and action."""
    return sorted({*modules.NAMES, *ACTIONS, *CONTROL, *ERRANDS})


def manual_of(name: str) -> Manual | None:
    """The manual of a module or an action, by any name that it is known by; None where there is none."""
    own = own_name(name)
    if own is None:
        return None
    known = specification(own)
    aliases = sorted(alias for alias, target in modules.ALIASES.items() if target == own)
    if own in ERRANDS:
        return _of_errand(own)
    if own not in modules.NAMES:
        like = _read("copy") if own == "template" else Manual(own, "")
        title = ON_THE_CONTROLLER.get(own, "")
        return Manual(
            own,
            title[:1].upper() + title[1:],
            specification=None if known is None else dict(known),
            parameters={key: text for key, text in like.parameters.items() if known is not None and key in known},
            returns=like.returns,
            aliases=aliases,
        )
    found = _read(own)
    found.specification = dict(known or {})
    found.aliases = aliases
    return found


def _of_errand(name: str) -> Manual:
    errand = ERRANDS[name]
    title = _words((errand.__doc__ or "").partition(": ")[2])
    return Manual(
        name,
        title[:1].upper() + title[1:],
        specification=dict(errand.PARAMETERS),
        parameters=dict(errand.EXPLAINED),
        returns=dict(errand.RETURNS),
    )


def _words(text: str) -> str:
    return " ".join(text.split())


def _read(name: str) -> Manual:
    """A module's docstring."""
    module = modules.load(name)
    docstring = (module.__doc__ or "").strip()
    parts = _SECTION.split(docstring)
    head, *paragraphs = parts[0].strip().split("\n\n")
    title = _words(head.partition(": ")[2])
    found = Manual(name, title[:1].upper() + title[1:], [_words(each) for each in paragraphs])
    for section, body in zip(parts[1::2], parts[2::2], strict=True):
        entries = {key: _words(text) for key, text in _ENTRY.findall(body)}
        if section == "Parameters":
            found.parameters = entries
        elif section == "Returns":
            found.returns = entries
    for name in module.PARAMETERS:
        if name in attributes.SELINUX:
            found.parameters.setdefault(name, "of SELinux; it means nothing on machines without it")
    found.rules = _rules(module)
    return found


def _rules(module: object) -> list[str]:
    def quoted(group: tuple[str, ...], word: str) -> str:
        return f" {word} ".join(f"`{each}`" for each in group if not each.startswith("_"))

    sentences = [f"One of {quoted(group, 'or')} must be given." for group in getattr(module, "REQUIRES_ONE_OF", ())]
    sentences += [
        f"Only one of {quoted(group, 'and')} may be given." for group in getattr(module, "MUTUALLY_EXCLUSIVE", ())
    ]
    sentences += [f"{quoted(group, 'and')} go together." for group in getattr(module, "REQUIRED_TOGETHER", ())]
    for name, value, group in getattr(module, "REQUIRED_IF", ()):
        shown = str(value).lower() if isinstance(value, bool) else value
        sentences.append(f"With `{name}: {shown}`, {quoted(group, 'and')} must be given.")
    for name, group in getattr(module, "REQUIRED_BY", {}).items():
        sentences.append(f"`{name}` needs {quoted(group, 'and')}.")
    return sentences
