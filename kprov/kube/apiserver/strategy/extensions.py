"""extensions/v1beta1: Ingresses under the group that they had first."""

from __future__ import annotations

from kprov.kube.apiserver.strategy import networking
from kprov.kube.apiserver.strategy.base import Strategy

STRATEGIES: dict[str, Strategy] = {"ingresses": networking.STRATEGIES["ingresses"]}
