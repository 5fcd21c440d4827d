"""What a Node says of itself."""

from __future__ import annotations

from typing import Any


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a Node's condition Ready is True."""
    conditions = node.get("status", {}).get("conditions") or []
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
