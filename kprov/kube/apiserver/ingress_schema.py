"""The type of an Ingress in v1beta1, which the table of upstream's types has no more."""

from __future__ import annotations

from kprov.kube.apiserver.schema_words import NUMBER, TEXT, Schema, fields, list_of

_BACKEND = fields(
    serviceName=TEXT,
    servicePort={"x-kubernetes-int-or-string": True},
    resource=fields(apiGroup=TEXT, kind=TEXT, name=TEXT),
)
_STATUS_PORT = fields(port=NUMBER, protocol=TEXT, error=TEXT)

INGRESS_V1BETA1: Schema = fields(
    spec=fields(
        ingressClassName=TEXT,
        backend=_BACKEND,
        tls=list_of(fields(hosts=list_of(TEXT), secretName=TEXT)),
        rules=list_of(
            fields(host=TEXT, http=fields(paths=list_of(fields(path=TEXT, pathType=TEXT, backend=_BACKEND))))
        ),
    ),
    status=fields(loadBalancer=fields(ingress=list_of(fields(ip=TEXT, hostname=TEXT, ports=list_of(_STATUS_PORT))))),
)
