"""The controller's part of modules: rendering templates, finding files and their hashes, so that contents travel.

Only where they differ.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kprov.provision.agent.modules import copy as copy_module
from kprov.provision.agent.parameters import Parameter, Specification
from kprov.provision.engine.file_hashes import HASHES
from kprov.provision.engine.file_trees import tree_of
from kprov.provision.engine.scope import Scope, TemplateProblem
from kprov.provision.engine.templating import Templar


@dataclass
class Prepared:
    """What is sent to the agent: the module, its arguments, and contents that it may ask for."""

    module: str
    arguments: dict[str, Any]
    contents: dict[str, bytes | Path]


@dataclass(frozen=True)
class Surroundings:
    """Where an action looks for what it needs."""

    templar: Templar
    scope: Scope


@dataclass(frozen=True)
class Action:
    """The controller's part of a module; `parameters` where they are not the agent's."""

    prepare: Callable[[dict[str, Any], Surroundings], Prepared]
    parameters: Specification | None = None
    free_form: str | None = None


def with_content(module: str, arguments: dict[str, Any], data: bytes) -> Prepared:
    """A module's arguments with a content's hash in place of the content."""
    sha256 = hashlib.sha256(data).hexdigest()
    return Prepared(module, {**arguments, "_sha256": sha256, "_size": len(data)}, {sha256: data})


def _with_file(module: str, arguments: dict[str, Any], path: Path) -> Prepared:
    sha256, size = HASHES.of(path)
    return Prepared(module, {**arguments, "_sha256": sha256, "_size": size, "_name": path.name}, {sha256: path})


def _find(name: str, surroundings: Surroundings, kind: str = "files") -> Path:
    found = surroundings.templar.search_path.find(kind, name)
    if found is None:
        places = ", ".join(str(place) for place in surroundings.templar.search_path.places(kind, name))
        raise TemplateProblem(f"there is no file {name} on the controller; looked for {places}")
    return found


def text_of(content: Any) -> str:
    """What `content` puts in the file: mappings and lists as JSON, the rest as it is (as Ansible does)."""
    if isinstance(content, (dict, list)):
        return json.dumps(content)
    return str(content)


def _copy(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    if _is_true(arguments.get("remote_src")):
        return Prepared("copy", arguments, {})
    if arguments.get("content") is not None:
        rest = {key: value for key, value in arguments.items() if key != "content"}
        return with_content("copy", rest, text_of(arguments["content"]).encode())
    path = _find(str(arguments["src"]), surroundings)
    if path.is_dir():
        return _copy_folder(arguments, path)
    if arguments.get("checksum"):
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha1").hexdigest()  # Ansible's checksums of files are SHA-1
        if found != str(arguments["checksum"]).lower():
            raise TemplateProblem(f"the checksum of {path} is {found}, not {arguments['checksum']}")
    return _with_file("copy", _preserved(arguments, path), path)


def _copy_folder(arguments: dict[str, Any], folder: Path) -> Prepared:
    """A folder with everything in it; as in Ansible, `folder/` means what is in it, and links are followed unless.

    `local_follow` is false.
    """
    entries: list[dict[str, Any]] = []
    contents: dict[str, bytes | Path] = {}
    for path, target in tree_of(folder, follow=_is_true(arguments.get("local_follow", True))):
        entry: dict[str, Any] = {"path": str(path.relative_to(folder))}
        if target is not None:
            entry["target"] = target
        elif path.is_dir():
            entry["folder"] = True
        else:
            entry["sha256"], entry["size"] = HASHES.of(path)
            entry["mode"] = f"{path.stat().st_mode & 0o7777:04o}"
            contents[entry["sha256"]] = path
        entries.append(entry)
    return Prepared("copy", {**arguments, "_entries": entries, "_name": folder.name}, contents)


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "yes", "1", "on")


def _preserved(arguments: dict[str, Any], path: Path | None) -> dict[str, Any]:
    """The arguments with the permissions of the controller's file, where `mode` is preserve."""
    if arguments.get("mode") != "preserve" or path is None:
        return arguments
    return {**arguments, "_mode": f"{path.stat().st_mode & 0o7777:04o}"}


# What `template` says of the rendering; the rest goes to the machine.
_RENDERING = {
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
}
_NEWLINES = {"\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n"}


def _template(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    name = str(arguments["src"])
    options = {key: arguments[key] for key in _RENDERING if arguments.get(key) is not None}
    text = surroundings.templar.render_file(name, surroundings.scope, options)
    newline = str(arguments.get("newline_sequence", "\n"))
    newline = _NEWLINES.get(newline, newline)
    if newline != "\n":
        text = text.replace("\n", newline)
    own = {"src", "newline_sequence", "output_encoding"} | _RENDERING
    rest = {key: value for key, value in arguments.items() if key not in own}
    data = text.encode(str(arguments.get("output_encoding") or "utf-8"))
    if rest.get("mode") == "preserve":
        rest = _preserved(rest, surroundings.templar.search_path.find("templates", name))
    return with_content("copy", {**rest, "_name": Path(name).name}, data)


def _unarchive(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    if _is_true(arguments.get("remote_src")):
        return Prepared("unarchive", arguments, {})
    return _with_file("unarchive", arguments, _find(str(arguments["src"]), surroundings))


def _async_status(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    scope = surroundings.scope
    folder = {"_async_dir": str(scope["ansible_async_dir"])} if "ansible_async_dir" in scope else {}
    return Prepared("async_status", {**arguments, **folder}, {})


def _script(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    text = str(arguments.get("cmd") or arguments.get("_raw_params") or "").strip()
    try:
        name = shlex.split(text)[0]
    except (ValueError, IndexError) as error:
        raise TemplateProblem(f"script: '{text}' names no file: {error}") from None
    # The name as it is written, quotes included, is the shortest beginning of the line that reads as the name.
    length = next(end for end in range(1, len(text) + 1) if _first_word(text[:end]) == name and _ends(text, end))
    prepared = _with_file("script", arguments, _find(name, surroundings))
    prepared.arguments["_rest"] = text[length:].strip()
    return prepared


def _first_word(text: str) -> str | None:
    try:
        return next(iter(shlex.split(text)), None)
    except ValueError:  # a quote is open
        return None


def _ends(text: str, end: int) -> bool:
    return end == len(text) or text[end].isspace()


def _listed(key: str) -> Callable[[str], Callable[[dict[str, Any], Surroundings], Prepared]]:
    """For modules that take a list of the controller's files: each gets its hash and size, and can be asked for."""

    def of(module: str) -> Callable[[dict[str, Any], Surroundings], Prepared]:
        def prepare(arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
            entries: list[dict[str, Any]] = []
            contents: dict[str, bytes | Path] = {}
            for entry in arguments.get(key) or []:
                if not isinstance(entry, Mapping):
                    raise TemplateProblem(f"{module}: an entry of '{key}' must be a mapping with 'path', not {entry!r}")
                entry = dict(entry)
                if entry.get("path"):
                    path = _find(str(entry["path"]), surroundings)
                    if not entry.get("sha256") or not entry.get("size"):
                        entry["sha256"], entry["size"] = HASHES.of(path)
                    contents[entry["sha256"]] = path
                    entry["path"] = path.name
                entries.append(entry)
            return Prepared(module, {**arguments, key: entries}, contents)

        return prepare

    return of


_TEMPLATE_PARAMETERS = {
    **{
        name: parameter
        for name, parameter in copy_module.PARAMETERS.items()
        if name not in ("content", "remote_src", "src")
    },
    "src": Parameter("str", required=True),
    **{name: Parameter("str") for name in sorted(_RENDERING) if name.endswith("string")},
    "trim_blocks": Parameter("bool"),
    "lstrip_blocks": Parameter("bool"),
    "newline_sequence": Parameter("str"),
    "output_encoding": Parameter("str"),
}


ACTIONS: dict[str, Action] = {
    "async_status": Action(_async_status),
    "copy": Action(_copy),
    "script": Action(_script),
    "template": Action(_template, _TEMPLATE_PARAMETERS),
    "unarchive": Action(_unarchive),
    "deb": Action(_listed("packages")("deb")),
    "artifacts": Action(_listed("files")("artifacts")),
}


def prepare(module: str, arguments: dict[str, Any], surroundings: Surroundings) -> Prepared:
    """Get a module's arguments ready for the agent.

    Raises:
        TemplateProblem: a template cannot be rendered, a file is missing.
    """
    action = ACTIONS.get(module)
    return action.prepare(arguments, surroundings) if action is not None else Prepared(module, arguments, {})
