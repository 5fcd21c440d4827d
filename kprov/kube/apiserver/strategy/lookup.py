"""Finds the strategy of a kind, importing the file of its group when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from kprov.kube.apiserver.extensions import kinds
from kprov.kube.apiserver.strategy.base import Strategy

_DEFAULT = Strategy()


def strategy_of(group: str, plural: str) -> Strategy:
    """The strategy of a kind, built in or a user's own."""
    if kinds.find(group, plural) is not None:
        from kprov.kube.apiserver.extensions.custom_objects import CustomStrategy

        return CustomStrategy(group, plural)
    return _built_in(group, plural)


@cache
def _built_in(group: str, plural: str) -> Strategy:
    """The strategy of one of upstream's kinds.

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
