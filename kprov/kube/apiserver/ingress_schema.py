"""The type of an Ingress in v1beta1, which the table of upstream's types has no more."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_BACKEND = _object(
    serviceName=_TEXT,
    servicePort={"x-kubernetes-int-or-string": True},
    resource=_object(apiGroup=_TEXT, kind=_TEXT, name=_TEXT),
)
_STATUS_PORT = _object(port=_NUMBER, protocol=_TEXT, error=_TEXT)

INGRESS_V1BETA1: Schema = _object(
    spec=_object(
        ingressClassName=_TEXT,
        backend=_BACKEND,
        tls=_list(_object(hosts=_list(_TEXT), secretName=_TEXT)),
        rules=_list(
            _object(host=_TEXT, http=_object(paths=_list(_object(path=_TEXT, pathType=_TEXT, backend=_BACKEND))))
        ),
    ),
    status=_object(loadBalancer=_object(ingress=_list(_object(ip=_TEXT, hostname=_TEXT, ports=_list(_STATUS_PORT))))),
)
