"""The type of an APIService, which the table of upstream's types has not."""

from __future__ import annotations

from kprov.kube.apiserver.schema_words import BYTES, FLAG, NUMBER, TEXT, Schema, fields, list_of

_CONDITION = fields(**dict.fromkeys(("type", "status", "lastTransitionTime", "reason", "message"), TEXT))

API_SERVICE: Schema = fields(
    spec=fields(
        service=fields(namespace=TEXT, name=TEXT, port=NUMBER),
        group=TEXT,
        version=TEXT,
        insecureSkipTLSVerify=FLAG,
        caBundle=BYTES,
        groupPriorityMinimum=NUMBER,
        versionPriority=NUMBER,
    ),
    status=fields(conditions=list_of(_CONDITION)),
)
