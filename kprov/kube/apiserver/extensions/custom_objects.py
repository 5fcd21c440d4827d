"""What the server does to objects of custom kinds: pruning, defaults, validation by their schema."""

from __future__ import annotations

from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.extensions import kinds, rules, schema, validation
from kprov.kube.apiserver.strategy.base import FieldError, Strategy, StrategyContext

Object = dict[str, Any]


def conformed(obj: Object, kind: kinds.CustomKind, version: str, unknown: list[str]) -> Object:
    """An object as a client sent it, without what its version's schema does not know.

    Args:
        obj: the object; changed in place.
        kind: its kind.
        version: the version that the client speaks.
        unknown: gets the paths of dropped fields.
    """
    found = kind.schema(version)
    if found and not kind.preserves_unknown:
        schema.prune(obj, found, unknown)
    return obj


def _version(obj: Object) -> str:
    return str(obj["apiVersion"]).rpartition("/")[2]


class CustomStrategy(Strategy):
    """The strategy of every custom kind: its schema decides."""

    def __init__(self, group: str, plural: str) -> None:
        self._key = (group, plural)

    def default(self, obj: Object) -> None:
        """As the schema of its version has it."""
        kind = kinds.find(*self._key)
        if kind is not None:
            schema.default(obj, kind.schema(_version(obj)))

    def prepare_for_create(self, obj: Object, ctx: StrategyContext) -> None:
        """A kind that goes takes no new objects. Raises ApiError (405) then."""
        kind = kinds.find(*self._key)
        if kind is not None and kind.terminating:
            raise errors.method_not_supported(kind.info, "create")

    def validate(self, obj: Object) -> list[FieldError]:
        """As the schema of its version has it."""
        return self._errors(obj, None)

    def validate_update(self, obj: Object, old: Object) -> list[FieldError]:
        """As at creation, and by the rules that compare with what was."""
        return self._errors(obj, old)

    def _errors(self, obj: Object, old: Object | None) -> list[FieldError]:
        kind = kinds.find(*self._key)
        if kind is None:
            return []
        found = kind.schema(_version(obj))
        if not found:
            return []
        # apiVersion, kind and metadata are not for the schema to judge, but for what it says of metadata.name
        properties = {
            name: each for name, each in (found.get("properties") or {}).items() if name not in ("apiVersion", "kind")
        }
        return _judged(obj, {**found, "properties": properties}, old)

    def validate_status_update(self, obj: Object, old: Object) -> list[FieldError]:
        """The whole object, as upstream does."""
        return self._errors(obj, old)


def _judged(obj: Object, found: kinds.Schema, old: Object | None) -> list[FieldError]:
    """What is wrong with an object; rules are for those that are valid otherwise."""
    errors_ = validation.errors_of(obj, found, old=validation.NEW if old is None else old)
    if errors_:
        return [*errors_, rules.UNCHECKED] if rules.has_rules(found) else errors_
    return rules.broken_rules(obj, found, old)
