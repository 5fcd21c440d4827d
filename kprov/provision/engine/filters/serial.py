"""Values as JSON, YAML and base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from jinja2.exceptions import FilterArgumentError


def _plain(value: Any) -> Any:
    """What JSON and YAML know by themselves."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value) if hasattr(value, "isoformat") or hasattr(value, "__fspath__") else value


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(_plain(value), **_known(options))


def _to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True, **options: Any) -> str:
    options.setdefault("separators", (",", ": "))
    return json.dumps(_plain(value), indent=indent, sort_keys=sort_keys, **_known(options))


def _known(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in ("vault_to_text", "preprocess_unsafe")}


def _to_yaml(value: Any, *args: Any, default_flow_style: bool | None = None, **options: Any) -> str:
    return str(
        yaml.dump(
            _plain(value),
            Dumper=yaml.SafeDumper,
            allow_unicode=True,
            default_flow_style=default_flow_style,
            **options,
        )
    )


def _to_nice_yaml(value: Any, indent: int = 4, *args: Any, default_flow_style: bool = False, **options: Any) -> str:
    return _to_yaml(value, indent=indent, default_flow_style=default_flow_style, **options)


def _from_json(value: Any, **options: Any) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise FilterArgumentError(f"from_json: {error}") from None


def _from_yaml(value: Any) -> Any:
    try:
        return yaml.safe_load(value) if isinstance(value, (str, bytes)) else value
    except yaml.YAMLError as error:
        raise FilterArgumentError(f"from_yaml: {error}") from None


def _from_yaml_all(value: Any) -> Any:
    try:
        return list(yaml.safe_load_all(value)) if isinstance(value, (str, bytes)) else value
    except yaml.YAMLError as error:
        raise FilterArgumentError(f"from_yaml_all: {error}") from None


def _b64encode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    data = value if isinstance(value, bytes) else str(value).encode(encoding)
    return (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()


def _b64decode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    text = str(value)
    return (base64.urlsafe_b64decode if urlsafe else base64.b64decode)(text).decode(encoding)


FILTERS: dict[str, Callable[..., Any]] = {
    "b64decode": _b64decode,
    "b64encode": _b64encode,
    "from_json": _from_json,
    "from_yaml": _from_yaml,
    "from_yaml_all": _from_yaml_all,
    "to_json": _to_json,
    "to_nice_json": _to_nice_json,
    "to_nice_yaml": _to_nice_yaml,
    "to_yaml": _to_yaml,
}
