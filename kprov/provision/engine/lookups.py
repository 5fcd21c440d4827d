"""Ansible's lookups: values from the controller's files, environment and variables, and the lists of `with_X`.

Source of each: the lookup plugin of the same name in ansible-core.
"""

from __future__ import annotations

import glob
import itertools
import os
import random
import re
import secrets
import string
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kprov.provision.engine.templating import Scope, Templar

COMMAND_SECONDS = 600


class LookupProblem(Exception):
    """A lookup cannot give a value; says what to do."""


@dataclass(frozen=True)
class LookupContext:
    """What lookups read from.

    Args:
        templar: renders templates, and knows where files are.
        scope: the variables.
        kind: the folder that the task's files lie in: files, templates, vars or tasks.
    """

    templar: Templar
    scope: Scope
    kind: str = "files"

    def read(self, kind: str, name: str) -> Path:
        """A file's place. Raises LookupProblem when it is nowhere."""
        found = self.templar.search_path.find(kind, name)
        if found is None:
            places = ", ".join(str(place) for place in self.templar.search_path.places(kind, name))
            raise LookupProblem(f"there is no file {name}; looked for {places}")
        return found


Lookup = Callable[[list[Any], dict[str, Any], LookupContext], list[Any]]


def _texts(terms: Sequence[Any]) -> list[str]:
    return [str(term) for term in _flat(terms)]


def _flat(terms: Sequence[Any], deep: bool = True) -> list[Any]:
    found: list[Any] = []
    for term in terms:
        if isinstance(term, (list, tuple)):
            found += _flat(term) if deep else term
        else:
            found.append(term)
    return found


# -- values from elsewhere


def _file(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for name in _texts(terms):
        path = context.read("files", name)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise LookupProblem(f"{path} cannot be read as text: {error}") from None
        text = text.rstrip() if options.get("rstrip", True) else text
        found.append(text.lstrip() if options.get("lstrip", False) else text)
    return found


def _template(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    scope = context.scope.with_layer(options.get("template_vars") or {}, True)
    return [context.templar.render_file(name, scope) for name in _texts(terms)]


def _env(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [os.environ.get(name.split()[0], options.get("default", "")) for name in _texts(terms)]


def _vars(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for name in _texts(terms):
        if name in context.scope:
            found.append(context.scope[name])
        elif "default" in options:
            found.append(options["default"])
        else:
            raise LookupProblem(f"there is no variable '{name}'")
    return found


def _varnames(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    names = sorted(name for name in context.scope if isinstance(name, str))
    return [name for pattern in _texts(terms) for name in names if re.search(pattern, name)]


def _run(command: str) -> str:
    try:
        ended = subprocess.run(  # noqa: S602 - the playbook's own command, on the controller
            command, shell=True, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LookupProblem(f"'{command}' on the controller took longer than {COMMAND_SECONDS} s") from None
    if ended.returncode != 0:
        words = ended.stderr.strip()[-500:]
        raise LookupProblem(f"'{command}' on the controller ended with exit code {ended.returncode}: {words}")
    return ended.stdout


def _pipe(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [_run(command).rstrip() for command in _texts(terms)]


def _lines(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [line for command in _texts(terms) for line in _run(command).splitlines()]


def _fileglob(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found: list[Any] = []
    for pattern in _texts(terms):
        for place in context.templar.search_path.places("files", pattern):
            matches = sorted(path for path in glob.glob(str(place)) if Path(path).is_file())  # noqa: PTH207
            if matches:
                found += matches
                break
    return found


def _first_found(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    tried: list[str] = []
    skip = bool(options.get("skip", False))
    for term in _flat(terms) or [options]:
        given = {**options, **term} if isinstance(term, Mapping) else {**options, "files": [term]}
        skip = skip or bool(given.get("skip", False))
        files = _split(given.get("files"), ",;")
        folders = _split(given.get("paths"), ",:;") or [""]
        for folder, name in itertools.product(folders, files):
            wanted = os.path.join(folder, name) if folder else name  # noqa: PTH118 - `a/` + `/b` is `/b`
            found = context.templar.search_path.find(context.kind, wanted)
            if found is not None:
                return [str(found)]
            tried.append(wanted)
    if skip:
        return []
    raise LookupProblem(
        f"none of these files was found: {', '.join(tried) or 'none was named'}; skip: true allows that"
    )


def _split(value: Any, separators: str) -> list[str]:
    if value is None:
        return []
    texts = value if isinstance(value, (list, tuple)) else [value]
    return [part.strip() for text in texts for part in re.split(f"[{separators}]", str(text)) if part.strip()]


_PASSWORD_SETS = {"ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "hexdigits", "punctuation"}


def _password(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for term in _texts(terms):
        name, _, rest = term.partition(" ")
        given = {**dict(pair.split("=", 1) for pair in rest.split() if "=" in pair), **options}
        unknown = set(given) - {"length", "chars"}
        if unknown:
            raise LookupProblem(f"kprov's lookup password takes length and chars, not {', '.join(sorted(unknown))}")
        found.append(_kept_password(name, given))
    return found


def _kept_password(name: str, given: Mapping[str, Any]) -> str:
    path = Path(name).expanduser()
    if name != "/dev/null" and path.exists():
        return path.read_text().rstrip("\n").split(" salt=")[0]
    wanted = _split(given.get("chars"), ",") or ["ascii_letters", "digits", ".,:-_"]
    alphabet = "".join(getattr(string, word) if word in _PASSWORD_SETS else word for word in wanted)
    password = "".join(secrets.choice(alphabet) for _ in range(int(given.get("length", 20))))
    if name != "/dev/null":
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(password + "\n")
    return password


# -- lists


def _items(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return _flat(terms, deep=False)


def _list(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return list(terms)


def _flattened(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [item for item in _flat(terms) if item is not None]


def _dict(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found = []
    for term in _flat(terms):
        if not isinstance(term, Mapping):
            raise LookupProblem(f"with_dict needs a mapping, not {type(term).__name__}")
        found += [{"key": key, "value": value} for key, value in term.items()]
    return found


def _indexed_items(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [list(pair) for pair in enumerate(_flat(terms, deep=False))]


def _lists(terms: list[Any]) -> list[list[Any]]:
    return [list(term) if isinstance(term, (list, tuple)) else [term] for term in terms]


def _nested(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not terms:
        raise LookupProblem("with_nested needs a list of lists")
    return [_flat(list(items), deep=False) for items in itertools.product(*_lists(terms))]


def _together(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not terms:
        raise LookupProblem("with_together needs a list of lists")
    return [_flat(list(items), deep=False) for items in itertools.zip_longest(*_lists(terms))]


def _subelements(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    if not 2 <= len(terms) <= 3:
        raise LookupProblem("with_subelements needs a list (or mapping) and the name of a list within its items")
    whole, path = terms[0], str(terms[1]).split(".")
    flags = terms[2] if len(terms) == 3 and isinstance(terms[2], Mapping) else {}
    found: list[Any] = []
    for element in whole.values() if isinstance(whole, Mapping) else whole:
        if not isinstance(element, Mapping):
            raise LookupProblem(f"with_subelements needs mappings, not {type(element).__name__}")
        if element.get("skipped") is True:
            continue
        value: Any = element
        for key in path:
            if not isinstance(value, Mapping) or key not in value:
                value = None
                break
            value = value[key]
        if value is None:
            if flags.get("skip_missing"):
                continue
            raise LookupProblem(f"an item has no '{terms[1]}': {element}")
        if not isinstance(value, (list, tuple)):
            raise LookupProblem(f"'{terms[1]}' must be a list, not {type(value).__name__}")
        found += [[element, item] for item in value]
    return found


def _random_choice(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    return [random.choice(terms)] if terms else []


_SEQUENCE = re.compile(r"^((\d+|0x[0-9a-fA-F]+|0[0-7]+)-)?(\d+|0x[0-9a-fA-F]+)(/(\d+))?(:(.+))?$")


def _sequence(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    found: list[Any] = []
    for term in terms or [""]:
        given = dict(options)
        short = _SEQUENCE.match(str(term))
        if short is not None:
            given.update(start=short[2] or 1, end=short[3], stride=short[5] or 1, format=short[7] or "%d")
        else:
            given.update(dict(pair.split("=", 1) for pair in str(term).split() if "=" in pair))
        found += _counted(given)
    return found


def _counted(given: Mapping[str, Any]) -> list[str]:
    def number(name: str, default: int) -> int:
        return int(str(given.get(name, default)), 0)

    start, stride = number("start", 1), number("stride", 1)
    if "count" in given:
        count = number("count", 0)
        end = start + count * stride - (1 if stride > 0 else -1)
        if count == 0:
            return []
    elif "end" in given:
        end = number("end", 0)
    else:
        raise LookupProblem("with_sequence needs end= or count=")
    if stride == 0 or (stride > 0 and end < start) or (stride < 0 and end > start):
        raise LookupProblem("with_sequence never ends: to count backwards give a negative stride")
    shown = str(given.get("format", "%d"))
    return [shown % value for value in range(start, end + (1 if stride > 0 else -1), stride)]


LOOKUPS: dict[str, Lookup] = {
    "cartesian": _nested,
    "dict": _dict,
    "env": _env,
    "file": _file,
    "fileglob": _fileglob,
    "first_found": _first_found,
    "flattened": _flattened,
    "indexed_items": _indexed_items,
    "items": _items,
    "lines": _lines,
    "list": _list,
    "nested": _nested,
    "password": _password,
    "pipe": _pipe,
    "random_choice": _random_choice,
    "sequence": _sequence,
    "subelements": _subelements,
    "template": _template,
    "together": _together,
    "varnames": _varnames,
    "vars": _vars,
}


def look_up(name: str, terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    """The values that a lookup gives.

    Raises:
        LookupProblem: there is no such lookup, or it has no value.
    """
    bare = name.removeprefix("ansible.builtin.").removeprefix("community.general.")
    if bare not in LOOKUPS:
        raise LookupProblem(f"kprov has no lookup '{name}'; it has {', '.join(sorted(LOOKUPS))}")
    return LOOKUPS[bare](terms, options, context)


def looped(name: str, terms: Any, context: LookupContext) -> list[Any]:
    """The items of `with_NAME`.

    Raises:
        LookupProblem: as for `look_up`.
    """
    listed = list(terms) if isinstance(terms, (list, tuple)) else [terms]
    return look_up(name, listed, {}, context)
