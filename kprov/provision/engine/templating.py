"""Templates and expressions: strict about what is undefined, native in what they give, aware of results that are.

Not there yet.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from kprov.provision.agent.parameters import nearest
from kprov.provision.documents import Unsafe
from kprov.provision.engine.filters import FILTERS, TESTS
from kprov.provision.engine.lookups import LookupContext, LookupProblem, looped
from kprov.provision.engine.plain_texts import is_name
from kprov.provision.engine.scope import OMIT, NeedsResult, NotDefined, Scope, TemplateProblem
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.template_code import Environment
from kprov.provision.engine.template_compiler import TemplateCompiler
from kprov.provision.engine.template_context import ScopeContext, ScopeTemplate
from kprov.provision.engine.template_files import TemplateFiles
from kprov.provision.engine.template_functions import Undefined, functions, refuse_undefined, undefined
from kprov.provision.engine.template_places import line_of, place

_CONTAINERS = frozenset({tuple, list, dict})

# What every template shows as Python's str() does.
_PLAIN = frozenset({str, int, float, bool, type(None)})


class Templar:
    """Renders texts, expressions and files.

    Args:
        search_path: where files that templates and lookups name are looked for.
    """

    _holes = False
    """Whether some variable of this process was had of which a part is not defined."""

    def __init__(self, search_path: SearchPath | None = None) -> None:
        self.search_path = search_path if search_path is not None else SearchPath((Path(),))
        self.environment = Environment(  # configuration files, not HTML: nothing is escaped
            undefined=Undefined,
            trim_blocks=True,
            keep_trailing_newline=True,
            finalize=_shown,
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
            auto_reload=False,
            cache_size=1000,
        )
        self.environment.context_class = ScopeContext
        self.environment.template_class = ScopeTemplate
        self.environment.filters.update(FILTERS)
        self.environment.tests.update(TESTS)
        self.environment.globals.update(functions(self))
        self.globals = dict(self.environment.globals)
        self._compiler = TemplateCompiler(self.environment)
        self.files = TemplateFiles(self.environment, self.search_path)
        self._texts: dict[str, tuple[str, Any]] = {}
        self._expressions: dict[str, jinja2.Template] = {}
        self._lock = threading.Lock()

    # -- texts

    def render(self, value: Any, scope: Scope) -> Any:
        """Render every text in a value; a text that is one expression alone keeps the type that it gives.

        Raises:
            TemplateProblem: undefined variable, wrong syntax, failing filter.
            NeedsResult: it reads a result that is not there yet.
        """
        found = self._render(value, scope)
        if Templar._holes:
            refuse_undefined(found)
        return found

    def variable(self, value: Any, scope: Scope) -> Any:
        """Render a variable's value. Of a list or mapping only that needs to be defined which is read of it.

        Raises:
            TemplateProblem, NeedsResult: as for `render`.
        """
        try:
            return self._render(value, scope)
        except NotDefined:
            if isinstance(value, str):
                raise
        return self._with_holes(value, scope)

    def _with_holes(self, value: Any, scope: Scope) -> Any:
        if isinstance(value, Mapping):
            items = ((self._render(key, scope), self._with_holes(item, scope)) for key, item in value.items())
            return {key: item for key, item in items if item is not OMIT}
        if isinstance(value, (list, tuple)):
            return [item for item in (self._with_holes(item, scope) for item in value) if item is not OMIT]
        try:
            return self._render(value, scope)
        except NotDefined as problem:
            Templar._holes = True
            return undefined(problem)

    def _render(self, value: Any, scope: Scope) -> Any:
        if isinstance(value, str):
            return self._render_text(value, scope) if "{" in value else value
        if isinstance(value, Mapping):
            found = {}
            for key, item in value.items():
                if type(item) is not str or "{" in item:  # most are plain texts
                    item = self._render(item, scope)
                if item is not OMIT:
                    found[self._render(key, scope)] = item
            return found
        if isinstance(value, (list, tuple)):
            return [item for item in (self._render(item, scope) for item in value) if item is not OMIT]
        return value

    def _render_text(self, text: str, scope: Scope) -> Any:
        if "{{" not in text and "{%" not in text and "{#" not in text:
            return text
        if isinstance(text, Unsafe):
            return str(text)
        kind, compiled = self._compiled(text)
        if kind == "expression":
            return self._evaluate(compiled, scope)
        if kind == "line":
            value = self._evaluate(compiled, scope)
            return value if not isinstance(value, str) or value.endswith("\n") else value + "\n"
        if kind == "names":
            return self._join(compiled, scope, text)
        return self._run(compiled, scope, text)

    def check(self, text: str) -> None:
        """Look at a text's syntax; what is found out is kept for when it is rendered.

        Raises:
            TemplateProblem: it is wrong.
        """
        kind, compiled = self._compiled(text)
        if kind in ("expression", "line"):
            self.check_expression(compiled)

    def check_expression(self, expression: str) -> None:
        """The same for an expression."""
        if not is_name(expression):
            self._expression(expression)

    def _compiled(self, text: str) -> tuple[str, Any]:
        known = self._texts.get(text)
        if known is None:
            known = self._compiler.text(text)
            with self._lock:
                self._texts[text] = known
        return known

    def _join(self, parts: tuple[str, ...], scope: Scope, text: str) -> str:
        """Names alone between braces, without Jinja; whatever is unusual about a value is Jinja's all the same."""
        found = list(parts)
        for number in range(1, len(found), 2):
            try:
                value = scope[found[number]]
            except (NeedsResult, TemplateProblem):
                raise
            except Exception:
                break
            if type(value) not in _PLAIN:
                break
            found[number] = "" if value is None else str(value)
        else:
            return "".join(found)
        return self._run(self.environment.from_string(text), scope, text)

    def _run(self, template: jinja2.Template, scope: Scope, shown: str) -> str:
        context = template.new_context(scope, shared=True)  # type: ignore[arg-type]
        try:
            return "".join(template.root_render_func(context))
        except (NeedsResult, TemplateProblem):
            raise
        except Exception as error:
            raise _kind(error)(self._explain(error, scope) + place(shown, line_of(error, template))) from None

    # -- expressions

    def evaluate(self, expression: str, scope: Scope) -> Any:
        """The value of an expression.

        Raises:
            TemplateProblem, NeedsResult: as for `render`.
        """
        value = self._evaluate(expression, scope)
        if Templar._holes:
            refuse_undefined(value)
        return value

    def _evaluate(self, expression: str, scope: Scope) -> Any:
        if is_name(expression) and expression in scope:
            value = scope[expression]
            if type(value) in _PLAIN or isinstance(value, (dict, list)):
                return value
        template = self._expression(expression)
        context = template.new_context(scope, shared=True)  # type: ignore[arg-type]
        try:
            for _ in template.root_render_func(context):
                pass
            value = context.vars["result"]
            if isinstance(value, jinja2.Undefined):
                value._fail_with_undefined_error()
            if hasattr(value, "__next__"):
                value = list(value)  # what is wrong with a filter may show only now
        except (NeedsResult, TemplateProblem):
            raise
        except Exception as error:
            raise _kind(error)(self._explain(error, scope) + place(expression, line_of(error, template))) from None
        return value

    def _expression(self, expression: str) -> jinja2.Template:
        template = self._expressions.get(expression)
        if template is None:
            template = self._compiler.expression(expression)
            with self._lock:
                self._expressions[expression] = template
        return template

    def is_true(self, condition: Any, scope: Scope) -> bool:
        """The truth of a condition as tasks write it: an expression without braces.

        Raises:
            TemplateProblem: it gives a text, which is neither true nor false.
        """
        if isinstance(condition, bool) or condition is None:
            return bool(condition)
        text = str(condition).strip()
        value = self._render_text(text, scope) if text.startswith("{{") else self.evaluate(text, scope)
        if isinstance(value, str):
            low = value.strip().lower()
            if low in {"true", "yes", "on"}:
                return True
            if low in {"false", "no", "off", ""}:
                return False
            raise TemplateProblem(f"the condition '{text}' gives the text '{value}', which is neither true nor false")
        return bool(value)

    # -- loops and files

    def items(self, lookup: str, terms: Any, scope: Scope, kind: str) -> list[Any]:
        """The items of `with_LOOKUP`.

        Raises:
            TemplateProblem: it has no value.
        """
        try:
            return looped(lookup, terms, LookupContext(self, scope, kind))
        except LookupProblem as problem:
            raise TemplateProblem(str(problem)) from None

    def render_file(self, name: str, scope: Scope, options: Mapping[str, Any] | None = None) -> str:
        """Render a template file, found along the search path.

        Args:
            name: the file.
            scope: the variables.
            options: Jinja's, which hold for this file.

        Raises:
            TemplateProblem: with the template's name and line.
        """
        try:
            template, own, newlines = self.files.load(name, options or {})
        except jinja2.TemplateNotFound:
            places = ", ".join(dict.fromkeys(str(p.parent) for p in self.search_path.places("templates", name)))
            raise TemplateProblem(f"there is no template {name} in {places}") from None
        except jinja2.TemplateSyntaxError as error:
            raise TemplateProblem(f"{error.filename}:{error.lineno}: wrong syntax: {error.message}") from None
        except Exception as error:  # an option in its first line, a number without end, ...
            raise TemplateProblem(f"template {name} can't be compiled: {error or type(error).__name__}") from None
        context = template.new_context(scope.with_layer(own, False), shared=True)  # type: ignore[arg-type]
        try:
            return _with_last_newlines("".join(template.root_render_func(context)), newlines)
        except (NeedsResult, TemplateProblem):
            raise
        except Exception as error:
            line = line_of(error, template) or "?"
            raise TemplateProblem(f"{template.filename}:{line}: {self._explain(error, scope)}") from None

    def _explain(self, error: Exception, scope: Scope) -> str:
        text = (
            error.message or str(error)
            if isinstance(error, jinja2.UndefinedError)
            else f"{error or type(error).__name__}"
        )
        if isinstance(error, jinja2.UndefinedError) and text.endswith("is undefined"):
            name = text.split("'")[1] if text.count("'") >= 2 else ""
            near = (
                nearest(name, [known for known in scope if isinstance(known, str)]) if " has no " not in text else None
            )
            text += f"; did you mean '{near}'?" if near else ""
        return text


def _kind(error: Exception) -> type[TemplateProblem]:
    return NotDefined if isinstance(error, jinja2.UndefinedError) else TemplateProblem


def _shown(value: Any) -> Any:
    """A value as it appears within a text: nothing for None, tuples as lists, as in Ansible."""
    if value is None:
        return ""
    return _without_tuples(value) if type(value) in _CONTAINERS else value


def _without_tuples(value: Any) -> Any:
    if type(value) in (tuple, list):
        return [_without_tuples(item) for item in value]
    if type(value) is dict:
        return {key: _without_tuples(item) for key, item in value.items()}
    return value


def _with_last_newlines(text: str, count: int) -> str:
    """The text with as many newlines at its end as its template has, which Jinja may have taken for a block's."""
    return text + "\n" * (count - (len(text) - len(text.rstrip("\n"))))
