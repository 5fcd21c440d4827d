"""Texts and expressions made ready for rendering: Jinja is left out where a text has only names between its braces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jinja2

from kprov.provision.engine.plain_texts import parts_of
from kprov.provision.engine.scope import TemplateProblem
from kprov.provision.engine.template_places import place


class TemplateCompiler:
    """Compiles what Templar renders, which keeps it.

    Args:
        environment: Jinja's, with its filters and tests.
    """

    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment

    def text(self, text: str) -> tuple[str, Any]:
        """A text, ready to be rendered.

        Returns:
            What it is, and what is needed for it: an "expression" alone and its words, or the same with the newline of
            its block ("line"); the parts of a text with "names" alone between braces; a template ("text") of all else.

        Raises:
            TemplateProblem: its syntax is wrong.
        """
        if text.endswith("}}\n"):
            # Of a block (`x: >`): Jinja drops the newline, and Ansible gives it back to texts only.
            kind, compiled = self.text(text[:-1])
            if kind == "expression":
                return "line", compiled
        parts = parts_of(text)
        if parts is not None:
            return ("expression", parts[1]) if len(parts) == 3 and not parts[0] and not parts[2] else ("names", parts)
        with _told(text):
            text = self._with_backslashes(text)
            tokens = [token for token in self._environment.lex(text) if token[1] != "whitespace"]
        kinds = [token[1] for token in tokens]
        alone = kinds and kinds[0] == "variable_begin" and kinds[-1] == "variable_end"
        if alone and kinds.count("variable_begin") == 1 and "data" not in kinds:
            inner = text.strip()[2:-2].strip()
            return "expression", inner.strip("-").strip() if inner[:1] == "-" or inner[-1:] == "-" else inner
        with _told(text):
            template = self._environment.from_string(text)
        return "text", template

    def _with_backslashes(self, text: str) -> str:
        """The text with backslashes in the strings of its expressions doubled.

        A playbook's author writes '\\1' for what a regular expression is to see as such; Jinja would take it for an
        escape. As in Ansible, files of templates and conditions are left as they are.
        """
        if "\\" not in text or "{{" not in text:
            return text
        inside, parts = False, []
        for _, kind, value in self._environment.lex(text):
            inside = kind == "variable_begin" or (inside and kind != "variable_end")
            parts.append(value.replace("\\", "\\\\") if inside and kind == "string" else value)
        return "".join(parts)

    def expression(self, expression: str) -> jinja2.Template:
        """An expression, ready to be evaluated: a template that leaves its value as `result`.

        Raises:
            TemplateProblem: its syntax is wrong.
        """
        with _told(expression):
            compiled = self._environment.compile_expression(expression, undefined_to_none=False)
        template: jinja2.Template = compiled._template
        return template


@contextlib.contextmanager
def _told(text: str) -> Iterator[None]:
    """What keeps a text from being compiled, as a TemplateProblem."""
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateProblem(f"wrong syntax: {error.message}{place(text, error.lineno)}") from None
    except (RecursionError, MemoryError, SyntaxError):
        # Brackets within brackets without end: neither Jinja nor Python, into which it compiles, can take them.
        raise TemplateProblem(f"nested too deeply: {text.strip()[:60]}") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise TemplateProblem(f"{str(error).partition(';')[0]} in: {text.strip()[:60]}") from None
