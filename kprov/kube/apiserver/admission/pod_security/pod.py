"""A pod as the checks of the Pod Security Standards look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Object = dict[str, Any]


def containers(spec: Object) -> Iterator[Object]:
    """Init containers, containers and ephemeral containers."""
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def context(holder: Object) -> Object:
    """The securityContext of a pod's spec or of a container."""
    return holder.get("securityContext") or {}


def named(kind: str, names: Iterable[str]) -> str:
    """container "a"; containers "a", "b"."""
    quoted = [f'"{name}"' for name in names]
    return f"{kind}{'s' if len(quoted) > 1 else ''} {', '.join(quoted)}"


def quoted(values: Iterable[str]) -> str:
    """Values in quotes, each once, in order."""
    return ", ".join(f'"{value}"' for value in sorted(set(values)))


def those(spec: Object, wrong: Callable[[Object], bool]) -> list[str]:
    """The names of the containers of which something is true."""
    return [container["name"] for container in containers(spec) if wrong(container)]
