"""apt_repository: a source of packages, as one line, is in apt's list, or is not.

Parameters:
    repo: the line, such as `deb http://deb.debian.org/debian bookworm main`.
    state: whether it must be there.
    filename: the file in /etc/apt/sources.list.d, without `.list`; none: a name made from the line.
    mode: the file's permissions.
    update_cache: fetch the lists of packages after a change.
    update_cache_retries: how often a mirror that does not answer is asked again.
    update_cache_retry_max_delay: seconds at most between two tries.
    codename: taken so that tasks written for Ansible run; `ppa:` sources, which need it, are refused.
    validate_certs: likewise.
    install_python_apt: likewise; nothing is needed.

Returns:
    repo: the line.
    sources_added: files that were made.
    sources_removed: files that were removed.
"""

from __future__ import annotations

import os
import re
from typing import Any

from kprov.provision.agent import apt_sources, diffs, edits
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

PARAMETERS = {
    "repo": Parameter("str", required=True),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "filename": Parameter("str"),
    "mode": Parameter("mode", default="0644"),
    "update_cache": Parameter("bool", default=True, aliases=("update-cache",)),
    "update_cache_retries": Parameter("int", default=5),
    "update_cache_retry_max_delay": Parameter("int", default=12),
    "codename": Parameter("str"),
    "validate_certs": Parameter("bool", default=True),
    "install_python_apt": Parameter("bool", default=True),
}

LIST = "/etc/apt/sources.list"
FOLDER = "/etc/apt/sources.list.d"

_LINE = re.compile(r"^(?P<off>#[#\s]*)?(?P<source>(?:deb|deb-src)\s.*?)(?:\s*#.*)?$")


def normal(line: str) -> str:
    """A source with single spaces."""
    return " ".join(line.split())


def _source_of(line: str) -> tuple[str, bool] | None:
    """The source that a line of a file names, and whether it is in use."""
    match = _LINE.match(line.strip())
    return (normal(match["source"]), not match["off"]) if match is not None else None


def file_name(line: str) -> str:
    """The name that a source's file gets: its address without protocol and password, each odd character as one `_`."""
    words = [word for word in re.sub(r"\[[^\]]*\]", "", line).split() if word not in ("deb", "deb-src")]
    address = re.sub(r"\w+://", "", words[0])
    return "_".join(re.sub(r"[^a-zA-Z0-9]", " ", address.rpartition("@")[2]).split())


def _checked(call: Call) -> str:
    line = normal(call["repo"])
    if line.startswith("ppa:"):
        raise ModuleFailed("'%s' is looked up at Launchpad, which kprov does not do: write the whole line" % line)
    if not re.match(r"^(deb|deb-src) (\[[^\]]*\] )?\S+ (\S+/|\S+( \S+)+)$", line):
        raise ModuleFailed("'%s' is no source: write `deb URL SUITE COMPONENT...`" % line)
    return line


def _files(call: Call) -> list[str]:
    folder = call.system_path(FOLDER)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [call.system_path(LIST), *[os.path.join(folder, name) for name in names if name.endswith(".list")]]


def _edited(text: str, line: str, present: bool) -> str:
    """A file's text with the source in use (where it stands but is not), or without it."""
    found: list[str] = []
    for each in edits.lines_of(text):
        source = _source_of(each)
        if source is None or source[0] != line:
            found.append(each)
        elif present:
            found.append(each if source[1] else line + "\n")
        elif not source[1]:
            found.append(each)
    return "".join(found)


def run(call: Call) -> dict[str, Any]:
    """Compare with every file of sources."""
    line, present = _checked(call), call["state"] == "present"
    texts = {path: text for path in _files(call) if (text := edits.read_text(path)) is not None}
    there = any(_source_of(each) == (line, True) for text in texts.values() for each in edits.lines_of(text))
    wanted: dict[str, str | None] = {}
    if present and not there:
        wanted = {path: new for path, text in texts.items() if (new := _edited(text, line, True)) != text}
        if not wanted:
            name = call["filename"] or file_name(line)
            path = os.path.join(call.system_path(FOLDER), (name[:-5] if name.endswith(".list") else name) + ".list")
            old = texts.get(path, "")
            wanted = {path: old + ("\n" if old and not old.endswith("\n") else "") + line + "\n"}
    elif not present and there:
        for path, text in texts.items():
            new = _edited(text, line, False)
            if new != text:
                wanted[path] = new if new.strip() or path.endswith("/sources.list") else None
    diff = ""
    for path, new_text in wanted.items():
        before = None if path not in texts else texts[path].encode(errors="surrogateescape")
        after = None if new_text is None else new_text.encode(errors="surrogateescape")
        diff += diffs.unified(before, after, path) if call.diff else ""
        if after is not None:
            apt_sources.put(call, path, after, call["mode"])
        elif not call.check:
            os.unlink(path)
    try:
        apt_sources.refresh(
            call, bool(wanted), call["update_cache"], call["update_cache_retries"], call["update_cache_retry_max_delay"]
        )
    except ModuleFailed:
        for path in wanted:  # a source that does not answer must not stay in the way of every later update
            if path in texts:
                apt_sources.put(call, path, texts[path].encode(errors="surrogateescape"), call["mode"])
            else:
                os.unlink(path)
        raise
    return {
        "changed": bool(wanted),
        "repo": call["repo"],
        "state": call["state"],
        "sources_added": [path for path in wanted if path not in texts],
        "sources_removed": [path for path, text in wanted.items() if text is None],
        "diff": diff,
    }
