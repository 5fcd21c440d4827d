"""Lookups of values by their names in the controller's INI and CSV files, and of what a web server says."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from kprov.provision.engine import argument_strings
from kprov.provision.engine.lookups.context import Lookup, LookupContext, LookupProblem, texts

# What a template can do something with; more is a mistake, or an attack.
LARGEST_ANSWER = 16 * 1024 * 1024

_TRUE = ("true", "yes", "on", "1")


def _said(name: str, term: str, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A term's own name, and what it and the lookup say besides, with defaults."""
    try:
        pairs, rest = argument_strings.pairs(term)
    except ValueError as error:
        raise LookupProblem(f"lookup {name}: {error}") from None
    given = {**defaults, **options, **pairs}
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise LookupProblem(f"kprov's lookup {name} takes {', '.join(sorted(defaults))}, not {', '.join(unknown)}")
    return " ".join(rest), given


def _is_true(value: Any) -> bool:
    return str(value).lower() in _TRUE


def _text(context: LookupContext, name: str, encoding: str) -> str:
    path = context.read("files", name)
    try:
        return path.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError, LookupError) as error:
        raise LookupProblem(f"{path} cannot be read as text: {error}") from None


def _ini(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    import configparser  # imported here, as the others below: few runs need them, and every run would wait for them

    defaults = {
        "file": "ansible.ini",
        "section": "global",
        "type": "ini",
        "re": False,
        "encoding": "utf-8",
        "default": "",
        "case_sensitive": False,
        "allow_no_value": False,
        "allow_none": False,
        "interpolation": True,
    }
    found: list[Any] = []
    for term in texts(terms):
        key, given = _said("ini", term, options, defaults)
        section, text = str(given["section"]), _text(context, str(given["file"]), str(given["encoding"]))
        if given["type"] == "properties":
            section, text = "properties", f"[properties]\n{text}"
        parser = configparser.ConfigParser(
            allow_no_value=_is_true(given["allow_no_value"]) or _is_true(given["allow_none"]),
            interpolation=configparser.BasicInterpolation() if _is_true(given["interpolation"]) else None,
        )
        if _is_true(given["case_sensitive"]):
            parser.optionxform = str  # type: ignore[method-assign,assignment]
        try:
            parser.read_string(text)
            if _is_true(given["re"]):
                pairs = parser.items(section) if parser.has_section(section) else []
                found += [value for name, value in pairs if re.match(key, name)]
            elif parser.has_option(section, key):
                found.append(parser.get(section, key))
            else:
                found.append(given["default"])
        except configparser.Error as error:
            raise LookupProblem(f"{given['file']} is no INI file: {error}") from None
    return found


def _csvfile(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    import csv

    defaults = {
        "file": "ansible.csv",
        "delimiter": "TAB",
        "col": 1,
        "keycol": 0,
        "default": "",
        "encoding": "utf-8",
    }
    found: list[Any] = []
    for term in texts(terms):
        key, given = _said("csvfile", term, options, defaults)
        if not key:
            raise LookupProblem("lookup csvfile needs the key that it is to look for")
        delimiter = "\t" if given["delimiter"] in ("TAB", "t") else str(given["delimiter"])
        text = _text(context, str(given["file"]), str(given["encoding"]))
        try:
            column, where = int(given["col"]), int(given["keycol"])
            rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
            row = next((row for row in rows if len(row) > where and row[where] == key), None)
            found.append(given["default"] if row is None else row[column])
        except (TypeError, ValueError, csv.Error) as error:
            raise LookupProblem(f"lookup csvfile in {given['file']}: {error}") from None
        except IndexError:
            raise LookupProblem(f"{given['file']}: the row of {key} has no column {given['col']}") from None
    return found


def _url(terms: list[Any], options: dict[str, Any], context: LookupContext) -> list[Any]:
    defaults: dict[str, Any] = {
        "validate_certs": True,
        "split_lines": True,
        "username": None,
        "password": None,
        "headers": {},
        "timeout": 10,
        "http_agent": "kprov",
        "ca_path": None,
        "use_proxy": True,
        "follow_redirects": "urllib2",
    }
    unknown = sorted(set(options) - set(defaults))
    if unknown:
        raise LookupProblem(f"kprov's lookup url takes {', '.join(sorted(defaults))}, not {', '.join(unknown)}")
    given = {**defaults, **options}
    found: list[Any] = []
    for address in texts(terms):
        text = _answer(address, given)
        found += text.splitlines() if _is_true(given["split_lines"]) else [text]
    return found


def _answer(address: str, given: Mapping[str, Any]) -> str:
    import ssl
    import urllib.request

    if not address.startswith(("http://", "https://")):
        raise LookupProblem(f"lookup url reads http:// and https://, not {address}")
    headers = {"User-Agent": str(given["http_agent"]), **{str(k): str(v) for k, v in given["headers"].items()}}
    if given["username"] is not None:
        words = f"{given['username']}:{given['password'] or ''}"
        headers["Authorization"] = f"Basic {b64encode(words.encode()).decode()}"
    try:
        context = ssl.create_default_context(cafile=given["ca_path"])
        if not _is_true(given["validate_certs"]):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        proxies = urllib.request.ProxyHandler(None if _is_true(given["use_proxy"]) else {})
        opener = urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the scheme was looked at
        with opener.open(request, timeout=float(given["timeout"])) as answer:
            data: bytes = answer.read(LARGEST_ANSWER + 1)
    except (OSError, ValueError) as error:
        raise LookupProblem(f"{address} cannot be read: {getattr(error, 'reason', None) or error}") from None
    if len(data) > LARGEST_ANSWER:
        raise LookupProblem(f"{address} says more than {LARGEST_ANSWER >> 20} MB: fetch it to a file with get_url")
    return data.decode(errors="replace")


TABLES: dict[str, Lookup] = {"csvfile": _csvfile, "ini": _ini, "url": _url}
