"""Resource lists: writing quantities the way upstream writes them back."""

from __future__ import annotations

from typing import Any

from kprov.kube.api.quantity import QuantityError, canonical


def normalize(resources: dict[str, Any] | None) -> None:
    """Rewrite every quantity of a resource list in its canonical form; what is no quantity is left for validation."""
    for name, quantity in (resources or {}).items():
        try:
            resources[name] = canonical(quantity)  # type: ignore[index]
        except QuantityError:
            continue


def normalize_requirements(requirements: dict[str, Any] | None) -> None:
    """The same for limits and requests."""
    if requirements:
        normalize(requirements.get("limits"))
        normalize(requirements.get("requests"))
