"""The type of a CustomResourceDefinition, as a schema of its own kind: what is not in it is dropped or refused."""

from __future__ import annotations

from kprov.kube.apiserver.schema_words import ANYTHING, BYTES, FLAG, NUMBER, TEXT, Schema, fields, list_of

_TEXTS = list_of(TEXT)


def _column(path: str) -> Schema:
    text = dict.fromkeys(("name", "type", "format", "description", path), TEXT)
    return fields(**text, priority=NUMBER)


_SUBRESOURCES = fields(
    status=ANYTHING, scale=fields(specReplicasPath=TEXT, statusReplicasPath=TEXT, labelSelectorPath=TEXT)
)
_VALIDATION = fields(openAPIV3Schema=ANYTHING)
_NAMES = fields(plural=TEXT, singular=TEXT, kind=TEXT, listKind=TEXT, shortNames=_TEXTS, categories=_TEXTS)
_CLIENT = fields(url=TEXT, caBundle=BYTES, service=fields(namespace=TEXT, name=TEXT, path=TEXT, port=NUMBER))
_CONDITION = fields(
    **dict.fromkeys(("type", "status", "lastTransitionTime", "reason", "message"), TEXT), observedGeneration=NUMBER
)
_STATUS = fields(conditions=list_of(_CONDITION), acceptedNames=_NAMES, storedVersions=_TEXTS, observedGeneration=NUMBER)


def _version(path: str) -> Schema:
    return fields(
        name=TEXT, served=FLAG, storage=FLAG, deprecated=FLAG, deprecationWarning=TEXT, schema=_VALIDATION,
        subresources=_SUBRESOURCES, additionalPrinterColumns=list_of(_column(path)),
        selectableFields=list_of(fields(jsonPath=TEXT)),
    )  # fmt: skip


_SHARED: dict[str, Schema] = {"group": TEXT, "names": _NAMES, "scope": TEXT, "preserveUnknownFields": FLAG}

SCHEMAS: dict[str, Schema] = {
    "v1": fields(
        spec=fields(
            **_SHARED,
            versions=list_of(_version("jsonPath")),
            conversion=fields(strategy=TEXT, webhook=fields(clientConfig=_CLIENT, conversionReviewVersions=_TEXTS)),
        ),
        status=_STATUS,
    ),
    "v1beta1": fields(
        spec=fields(
            **_SHARED,
            version=TEXT,
            versions=list_of(_version("JSONPath")),
            validation=_VALIDATION,
            subresources=_SUBRESOURCES,
            additionalPrinterColumns=list_of(_column("JSONPath")),
            conversion=fields(strategy=TEXT, webhookClientConfig=_CLIENT, conversionReviewVersions=_TEXTS),
        ),
        status=_STATUS,
    ),
}
"""By version."""
