"""Command line flags with upstream's names, spellings and meanings.

The rules are pflag's, as in every Kubernetes daemon: ``--flag=value``, ``--flag value``, ``--bool``, ``--bool=false``,
``-v 4``; underscores read as dashes; a repeated list or map flag adds up. A flag that upstream knows and kprov does
not implement is refused by name, never ignored in silence.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

from kprov import __version__

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_TRUE, _FALSE = {"1", "t", "T", "true", "TRUE", "True"}, {"0", "f", "F", "false", "FALSE", "False"}


class FlagError(Exception):
    """The command line cannot be followed. The message is for the person who wrote it."""


def parse_duration(text: str) -> float:
    """Seconds in a Go duration: ``10s``, ``4m0s``, ``1h30m``, ``500ms``, ``0``.

    Raises:
        ValueError: it is not a duration.
    """
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0.0
    if not body or _PART.sub("", body):
        raise ValueError(f"invalid duration {text!r}: write a number with a unit, such as 10s or 4m30s")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(body))
    return -seconds if text.startswith("-") else seconds


def _boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"invalid boolean {text!r}: write true or false")


def _comma_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


def _key_values(text: str) -> dict[str, str]:
    pairs = {}
    for part in _comma_list(text):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{part!r} is not key=value")
        pairs[key.strip()] = value.strip()
    return pairs


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag: how it is spelled, read, and what it is without being given."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    shorthand: str = ""
    adds_up: bool = False
    is_boolean: bool = False


class Flags(SimpleNamespace):
    """The values of the flags, as attributes (``--bind-address`` is ``bind_address``)."""

    given: frozenset[str]
    """The names of the flags that stood on the command line: they win over configuration files."""


class FlagSet:
    """The flags of one daemon.

    Args:
        component: upstream's name of the program.
        description: one sentence for ``--help``.
    """

    def __init__(self, component: str, description: str = "") -> None:
        self.component = component
        self.description = description
        self._flags: dict[str, Flag] = {}
        self._shorthands: dict[str, str] = {}
        self._unimplemented: dict[str, str] = {}
        self.boolean("help", False, "show this help", shorthand="h")
        self.boolean("version", False, "show the version and leave")
        self.integer("v", 0, "number for the log level verbosity", shorthand="v")
        self.boolean("logtostderr", True, "log to standard error; kprov's daemons log nowhere else")
        self.choice("logging-format", "text", ("text",), "the log format")
        self.unimplemented("vmodule", "log-dir", "log-file", "log-json-split-stream", "log-text-split-stream")

    def add(self, flag: Flag) -> None:
        """Add a flag with its own way of reading. `parse` raises ValueError with what to write instead."""
        self._flags[flag.name] = flag
        if flag.shorthand:
            self._shorthands[flag.shorthand] = flag.name

    def string(self, name: str, default: str | None = "", help: str = "") -> None:
        """A text."""
        self.add(Flag(name, str, default, help))

    def boolean(self, name: str, default: bool = False, help: str = "", shorthand: str = "") -> None:
        """True or false; the bare flag means true."""
        self.add(Flag(name, _boolean, default, help, shorthand, is_boolean=True))

    def integer(self, name: str, default: int | None = 0, help: str = "", shorthand: str = "") -> None:
        """A whole number."""
        self.add(Flag(name, int, default, help, shorthand))

    def number(self, name: str, default: float | None = 0.0, help: str = "") -> None:
        """A number with a fraction."""
        self.add(Flag(name, float, default, help))

    def duration(self, name: str, default: float | None = 0.0, help: str = "") -> None:
        """A Go duration, in seconds."""
        self.add(Flag(name, parse_duration, default, help))

    def strings(self, name: str, default: Sequence[str] = (), help: str = "") -> None:
        """A comma list; given twice, it adds up."""
        self.add(Flag(name, _comma_list, list(default), help, adds_up=True))

    def mapping(self, name: str, default: dict[str, str] | None = None, help: str = "") -> None:
        """A comma list of key=value; given twice, it adds up."""
        self.add(Flag(name, _key_values, dict(default or {}), help, adds_up=True))

    def choice(self, name: str, default: str, choices: Sequence[str], help: str = "") -> None:
        """A text out of a few."""

        def one_of(text: str) -> str:
            if text not in choices:
                raise ValueError(f"kprov implements only {' or '.join(choices)}, not {text!r}")
            return text

        self.add(Flag(name, one_of, default, help))

    def unimplemented(self, *names: str, reason: str = "") -> None:
        """Flags that upstream knows and kprov refuses, optionally with what to use instead."""
        self._unimplemented.update(dict.fromkeys(names, reason))

    def parse(self, arguments: Iterable[str]) -> Flags:
        """The values that a command line gives.

        Raises:
            FlagError: a flag is unknown, not implemented, or its value cannot be read.
        """
        values: dict[str, Any] = {name: flag.default for name, flag in self._flags.items()}
        given: set[str] = set()
        rest = list(arguments)
        while rest:
            word = rest.pop(0)
            if word == "--" and not rest:
                break
            name, text = self._split(word)
            flag = self._find(name)
            if text is None:
                if flag.is_boolean:
                    text = "true"
                elif rest:
                    text = rest.pop(0)
                else:
                    raise FlagError(f"flag needs an argument: --{flag.name}")
            try:
                value = flag.parse(text)
            except ValueError as error:
                raise FlagError(f'invalid argument "{text}" for "--{flag.name}" flag: {error}') from None
            if flag.adds_up and flag.name in given:
                before = values[flag.name]
                value = before | value if isinstance(before, dict) else before + value
            values[flag.name] = value
            given.add(flag.name)
        attributes = {name.replace("-", "_"): value for name, value in values.items()}
        return Flags(**attributes, given=frozenset(given))

    def _split(self, word: str) -> tuple[str, str | None]:
        if word.startswith("--") and len(word) > 2:
            name, equals, text = word[2:].partition("=")
            return name.replace("_", "-"), text if equals else None
        if len(word) > 1 and word[0] == "-" and word[1] in self._shorthands:
            text = word[2:].removeprefix("=")
            return self._shorthands[word[1]], text or None
        raise FlagError(f"unknown command {word!r} for {self.component!r}: it takes flags only")

    def _find(self, name: str) -> Flag:
        if name in self._unimplemented:
            reason = self._unimplemented[name]
            raise FlagError(
                f"--{name} is a {self.component} flag that kprov does not implement" + (f": {reason}" if reason else "")
            )
        if name not in self._flags:
            import difflib  # only on the way out

            near = difflib.get_close_matches(name, self._flags, 1)
            raise FlagError(f"unknown flag: --{name}" + (f" (is it --{near[0]}?)" if near else ""))
        return self._flags[name]

    def usage(self) -> str:
        """The text of ``--help``."""
        lines = [f"{self.component}: {self.description}", "", "Flags:"]
        for flag in sorted(self._flags.values(), key=lambda f: f.name):
            default = f" (default {flag.default})" if flag.default not in ("", None, False, [], {}, 0) else ""
            lines.append(f"      --{flag.name:<38} {flag.help}{default}")
        return "\n".join(lines)

    def parse_or_exit(self, arguments: Sequence[str] | None = None) -> Flags:
        """As :meth:`parse`, for a program's own command line: answers --help and --version, and leaves on errors."""
        try:
            flags = self.parse(sys.argv[1:] if arguments is None else arguments)
        except FlagError as error:
            self._leave(f"Error: {error}\nSee '{self.component} --help'.", 2)
        if flags.help:
            self._leave(self.usage(), 0)
        if flags.version:
            self._leave(f"Kubernetes v1.32.0+kprov.{__version__}", 0)
        return flags

    def _leave(self, message: str, code: int) -> NoReturn:
        print(message, file=sys.stderr if code else sys.stdout)
        raise SystemExit(code)
