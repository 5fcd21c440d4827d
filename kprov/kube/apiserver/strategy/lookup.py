"""Finds the strategy of a kind, importing the file of its group when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from kprov.kube.apiserver.strategy.base import Strategy

_DEFAULT = Strategy()


@cache
def strategy_of(group: str, plural: str) -> Strategy:
    """The strategy of a kind.

    The file of a group is its first label ("rbac" of rbac.authorization.k8s.io, "core" of the empty group) and holds
    ``STRATEGIES: dict[str, Strategy]`` by plural. A kind that is not in it gets the base strategy.
    """
    module = f"kprov.kube.apiserver.strategy.{group.partition('.')[0] or 'core'}"
    try:
        strategies: dict[str, Strategy] = import_module(module).STRATEGIES
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return _DEFAULT
    return strategies.get(plural, _DEFAULT)
