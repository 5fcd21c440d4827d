"""Jinja's environment, with everything that a template says computed when it is rendered.

Jinja computes what looks constant while it compiles, filters and tests included, and what was compiled is rendered for
every host: `60 | random` would be the same number on all of them, and whether a file `is exists` would be what it was
before the first task ran. Ansible compiles a template anew for each host.
"""

from __future__ import annotations

from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator

from kprov.provision.engine.scope import NotDefined
from kprov.provision.engine.template_functions import undefined


class _Generator(CodeGenerator):
    """Makes a template's code; of what stands in it only texts outside of braces are known beforehand."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


class Environment(jinja2.Environment):
    """An environment whose templates' code is a matter of their source alone.

    Args:
        options: as for Jinja's.
    """

    code_generator_class = _Generator

    def __init__(self, **options: Any) -> None:
        super().__init__(optimized=False, **options)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return super().getitem(obj, argument)
        except NotDefined as problem:
            return undefined(problem, argument)

    def getattr(self, obj: Any, attribute: str) -> Any:
        try:
            return super().getattr(obj, attribute)
        except NotDefined as problem:
            return undefined(problem, attribute)
