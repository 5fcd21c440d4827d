"""The functions that templates call: lookup(), query(), now(), undef(), under Ansible's names."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2.runtime import Context

from kprov.provision.engine.lookups import LookupContext, LookupProblem, look_up
from kprov.provision.engine.scope import NotDefined, Scope, TemplateProblem

if TYPE_CHECKING:
    from kprov.provision.engine.templating import Templar


class Undefined(jinja2.StrictUndefined):
    """Using it is an error, but `a.b.c | default(x)` may ask for what lies below it, as in Ansible."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, name: Any) -> Any:
        return self

    __repr__ = jinja2.StrictUndefined.__str__


def undefined(problem: NotDefined, name: Any = None) -> Undefined:
    """What stands for a value that can't be had as something that it reads is not defined; `name` is its own."""
    return Undefined(hint=str(problem), name=name, exc=NotDefined)  # type: ignore[arg-type]  # what is raised is ours


def refuse_undefined(value: Any) -> None:
    """Look through a value for what is not defined.

    Raises:
        NotDefined: there is something.
    """
    if isinstance(value, jinja2.Undefined):
        value._fail_with_undefined_error()
    if isinstance(value, dict):
        for item in value.values():
            refuse_undefined(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            refuse_undefined(item)


def functions(templar: Templar) -> dict[str, Callable[..., Any]]:
    """Each by its name."""
    query = _query(templar)
    return {"lookup": _lookup(templar), "query": query, "q": query, "now": _now, "undef": _undef}


def _lookup(templar: Templar) -> Any:
    @jinja2.pass_context
    def lookup(
        context: Context, name: str, *terms: Any, wantlist: bool = False, errors: str = "strict", **options: Any
    ) -> Any:
        """Ansible's lookup(): texts joined by commas, unless a list is wanted."""
        found = _looked_up(templar, context, name, terms, errors, options)
        if wantlist:
            return found
        if all(isinstance(value, str) for value in found):
            return ",".join(found)
        return found[0] if len(found) == 1 else found

    return lookup


def _query(templar: Templar) -> Any:
    @jinja2.pass_context
    def query(context: Context, name: str, *terms: Any, errors: str = "strict", **options: Any) -> Any:
        """Ansible's query(): always a list."""
        return _looked_up(templar, context, name, terms, errors, options)

    return query


def _looked_up(
    templar: Templar, context: Context, name: str, terms: Sequence[Any], errors: str, options: dict[str, Any]
) -> list[Any]:
    options.pop("wantlist", None)
    scope = context.parent
    assert isinstance(scope, Scope)
    try:
        return look_up(name, list(terms), options, LookupContext(templar, scope))
    except LookupProblem as problem:
        if errors in ("ignore", "warn"):
            return []
        raise TemplateProblem(f"lookup('{name}'): {problem}") from None


def _now(utc: bool = False, fmt: str | None = None) -> Any:
    """Ansible's now()."""
    moment = datetime.datetime.now(datetime.UTC if utc else None).replace(tzinfo=None)
    return moment.strftime(fmt) if fmt else moment


def _undef(hint: str | None = None) -> Undefined:
    """Ansible's undef(): a value that must be given elsewhere."""
    return Undefined(hint=hint or "Mandatory variable has not been overridden")
