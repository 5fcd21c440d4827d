"""Template files: found, read, and compiled once for each set of options."""

from __future__ import annotations

import datetime
import os
import pwd
import socket
import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import yaml

from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.template_cache import template_cache

HEADER = "#jinja2:"


class Loaded(NamedTuple):
    """A template, ready to be rendered."""

    template: jinja2.Template
    variables: dict[str, Any]
    """Those that tell of its file."""
    newlines: int
    """How many newlines its file ends with."""


class TemplateFiles:
    """The templates along a search path.

    Args:
        environment: compiles them.
        search_path: where they are looked for.
    """

    def __init__(self, environment: jinja2.Environment, search_path: SearchPath) -> None:
        self._search_path = search_path
        # The last newline is Jinja's to drop: it is put back where it is missing, as Ansible does.
        environment = environment.overlay(keep_trailing_newline=False)
        environment.cache = jinja2.environment.create_cache(1000)
        environment.loader = jinja2.FunctionLoader(self._source)
        environment.bytecode_cache = template_cache()
        self._environment = environment
        self._compiled: dict[tuple[str, str], jinja2.Template] = {}
        self._files: dict[Path, tuple[int, dict[str, Any], dict[str, Any], int]] = {}
        self._lock = threading.Lock()

    def _source(self, name: str) -> tuple[str, str, Any] | None:
        path = self._search_path.find("templates", name)
        if path is None or path.is_dir():
            return None
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise jinja2.TemplateSyntaxError(f"cannot be read: {error}", 1, name, str(path)) from None
        return (text.partition("\n")[2] if text.startswith(HEADER) else text), str(path), None

    def load(self, name: str, options: Mapping[str, Any]) -> Loaded:
        """A template, and what is to be known of its file.

        Args:
            name: as the task names it.
            options: Jinja's, stronger than the environment's and weaker than those in the file's first line.

        Raises:
            jinja2.TemplateNotFound: there is no such file.
            jinja2.TemplateSyntaxError: it cannot be compiled.
        """
        path = self._search_path.find("templates", name)
        if path is None:
            raise jinja2.TemplateNotFound(name)
        header, told, newlines = self._known(path, name)
        chosen = {**options, **header}
        key = (str(path), repr(sorted(chosen.items())) if chosen else "")
        template = self._compiled.get(key)
        if template is None:
            template = self._compile(name, chosen)
            with self._lock:
                self._compiled[key] = template
        return Loaded(template, {**told, "template_run_date": datetime.datetime.now()}, newlines)

    def _known(self, path: Path, name: str) -> tuple[dict[str, Any], dict[str, Any], int]:
        """A file's own options, what variables tell of it and its last newlines, read anew when it has changed."""
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise jinja2.TemplateNotFound(name)
        found = self._files.get(path)
        if found is None or found[0] != status.st_mtime_ns:
            found = self._files[path] = (status.st_mtime_ns, _header(path), _told_of(path), _newlines(path))
        return found[1:]

    def _compile(self, name: str, options: Mapping[str, Any]) -> jinja2.Template:
        if not options:
            return self._environment.get_template(name)
        environment = self._environment.overlay(**options)
        environment.cache = jinja2.environment.create_cache(50)
        environment.loader = self._environment.loader
        environment.bytecode_cache = None  # which does not tell options apart
        return environment.get_template(name)


def _header(path: Path) -> dict[str, Any]:
    """The options in a template's first line: `#jinja2: trim_blocks: False, lstrip_blocks: True`."""
    with path.open(errors="replace") as stream:
        first = stream.readline()
    if not first.startswith(HEADER):
        return {}
    pairs = [pair.partition(":") for pair in first[len(HEADER) :].split(",") if ":" in pair]
    return {key.strip(): yaml.safe_load(value.strip()) for key, _, value in pairs}


def _newlines(path: Path) -> int:
    text = path.read_text(errors="replace")
    return len(text) - len(text.rstrip("\n"))


def _told_of(path: Path) -> dict[str, Any]:
    status = path.stat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    return {
        "template_host": socket.gethostname(),
        "template_path": str(path),
        "template_fullpath": os.path.abspath(path),  # noqa: PTH100 - links stay as they are
        "template_mtime": datetime.datetime.fromtimestamp(status.st_mtime),
        "template_uid": owner,
    }
