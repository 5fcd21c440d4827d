"""The type of a CustomResourceDefinition, as a schema of its own kind: what is not in it is dropped or refused."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
# structural.py looks into it
_ANY: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _column(path: str) -> Schema:
    text = dict.fromkeys(("name", "type", "format", "description", path), _TEXT)
    return _object(**text, priority=_NUMBER)


_SUBRESOURCES = _object(
    status=_ANY, scale=_object(specReplicasPath=_TEXT, statusReplicasPath=_TEXT, labelSelectorPath=_TEXT)
)
_VALIDATION = _object(openAPIV3Schema=_ANY)
_NAMES = _object(plural=_TEXT, singular=_TEXT, kind=_TEXT, listKind=_TEXT, shortNames=_TEXTS, categories=_TEXTS)
_CLIENT = _object(url=_TEXT, caBundle=_TEXT, service=_object(namespace=_TEXT, name=_TEXT, path=_TEXT, port=_NUMBER))
_CONDITION = _object(
    **dict.fromkeys(("type", "status", "lastTransitionTime", "reason", "message"), _TEXT), observedGeneration=_NUMBER
)
_STATUS = _object(conditions=_list(_CONDITION), acceptedNames=_NAMES, storedVersions=_TEXTS, observedGeneration=_NUMBER)


def _version(path: str) -> Schema:
    return _object(
        name=_TEXT, served=_FLAG, storage=_FLAG, deprecated=_FLAG, deprecationWarning=_TEXT, schema=_VALIDATION,
        subresources=_SUBRESOURCES, additionalPrinterColumns=_list(_column(path)),
        selectableFields=_list(_object(jsonPath=_TEXT)),
    )  # fmt: skip


_SHARED: dict[str, Schema] = {"group": _TEXT, "names": _NAMES, "scope": _TEXT, "preserveUnknownFields": _FLAG}

SCHEMAS: dict[str, Schema] = {
    "v1": _object(
        spec=_object(
            **_SHARED,
            versions=_list(_version("jsonPath")),
            conversion=_object(strategy=_TEXT, webhook=_object(clientConfig=_CLIENT, conversionReviewVersions=_TEXTS)),
        ),
        status=_STATUS,
    ),
    "v1beta1": _object(
        spec=_object(
            **_SHARED,
            version=_TEXT,
            versions=_list(_version("JSONPath")),
            validation=_VALIDATION,
            subresources=_SUBRESOURCES,
            additionalPrinterColumns=_list(_column("JSONPath")),
            conversion=_object(strategy=_TEXT, webhookClientConfig=_CLIENT, conversionReviewVersions=_TEXTS),
        ),
        status=_STATUS,
    ),
}
"""By version."""
