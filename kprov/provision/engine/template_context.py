"""Contexts over a Scope: variables are rendered when they are read, also by what a template includes or imports.

Jinja's own copy all variables for an included template where the template has variables of its own. A variable that
nobody reads may be one that can't be rendered, and need not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import jinja2
from jinja2.runtime import Context
from jinja2.utils import missing

from kprov.provision.engine.scope import NotDefined, Scope
from kprov.provision.engine.template_functions import undefined


def _with(variables: Any, more: Mapping[str, Any] | None) -> Any:
    """A scope with a template's own variables on top, which are rendered already."""
    own = {name: value for name, value in (more or {}).items() if value is not missing}
    return variables.with_layer(own, False) if own else variables


class ScopeContext(Context):
    """A context over a Scope, which is not copied."""

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        if key in self.parent:
            try:
                return self.parent[key]
            except NotDefined as problem:
                return undefined(problem, key)
        return missing

    def get_all(self) -> dict[str, Any]:
        if not isinstance(self.parent, Scope):
            return super().get_all()
        return cast(dict[str, Any], _with(self.parent, self.vars))

    def derived(self, locals: dict[str, Any] | None = None) -> Context:
        if not isinstance(self.parent, Scope):
            return super().derived(locals)
        context = type(self)(self.environment, _with(self.get_all(), locals), self.name, {})
        context.eval_ctx = self.eval_ctx
        context.blocks.update({name: list(blocks) for name, blocks in self.blocks.items()})
        return context


class ScopeTemplate(jinja2.Template):
    """A template whose contexts are over a Scope."""

    def new_context(
        self, vars: dict[str, Any] | None = None, shared: bool = False, locals: Mapping[str, Any] | None = None
    ) -> Context:
        if isinstance(vars, Scope):
            vars, locals = _with(vars, locals), None
        return super().new_context(vars, shared, locals)
