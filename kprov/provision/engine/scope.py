"""What templates see: layers of variables, rendered when they are read; results still to come; what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class TemplateProblem(Exception):
    """A template or expression cannot be rendered; says where and why."""


class NotDefined(TemplateProblem):
    """What a template reads is not defined: `default` and `is defined` may make something of it."""


class Omit:
    """A parameter's value that means: as if it were not given."""

    def __repr__(self) -> str:
        return "omit"


OMIT = Omit()


class NeedsResult(Exception):
    """A registered result was read whose task has not answered yet.

    Args:
        name: the variable.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class NeedsHost(NeedsResult):
    """A variable of another host is read that its tasks may set; it has not got that far.

    Args:
        host: the other.
        name: the variable.
    """

    def __init__(self, host: str, name: str) -> None:
        super().__init__(name)
        self.host = host


class Awaited:
    """Stands for a registered result until it arrives."""


AWAITED = Awaited()


class Renders(Protocol):
    """What renders variables that are templates themselves."""

    def variable(self, value: Any, scope: Scope) -> Any:
        """Render every text in a variable's value."""


class Scope(Mapping[str, Any]):
    """What a template sees: layers of variables, the first that has a name wins, rendered when they are read.

    Args:
        templar: renders variables that are templates themselves.
        layers: (variables, whether their texts are templates), strongest first. Facts and results never are: what a
            machine says is not run as a template.
    """

    def __init__(self, templar: Renders, layers: Sequence[tuple[Mapping[str, Any], bool]]) -> None:
        self._templar = templar
        self._layers = layers
        self._rendered: dict[str, Any] = {}
        self._rendering: list[str] = []

    def with_layer(self, variables: Mapping[str, Any], templates: bool = True) -> Scope:
        """A scope with one more layer on top."""
        return Scope(self._templar, [(variables, templates), *self._layers])

    def __getitem__(self, name: str) -> Any:
        if name in self._rendered:
            return self._rendered[name]
        for variables, open_ in self._layers:
            if name in variables:
                value, templates = variables[name], open_
                break
        else:
            if name == "vars":
                return self
            raise KeyError(name)
        if value is AWAITED:
            raise NeedsResult(name)
        if templates and isinstance(value, (str, dict, list)):
            if name in self._rendering:
                raise TemplateProblem("variable refers to itself: " + " -> ".join([*self._rendering, name]))
            self._rendering.append(name)
            try:
                value = self._templar.variable(value, self)
            finally:
                self._rendering.pop()
        self._rendered[name] = value
        return value

    def __contains__(self, name: object) -> bool:
        for variables, _ in self._layers:
            if name in variables:
                return True
        return name == "vars"

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for variables, _ in self._layers:
            for name in variables:
                if name not in seen:
                    seen.add(name)
                    yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)
