"""What is particular to a kind: defaults, what a client may not set, validation. Looked up by (group, plural)."""

from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext
from kprov.kube.apiserver.strategy.lookup import strategy_of

__all__ = ["FieldError", "Strategy", "StrategyContext", "strategy_of"]
