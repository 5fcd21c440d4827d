"""POST serviceaccounts/NAME/token: a TokenRequest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kprov.kube.api import errors
from kprov.kube.apiserver.admission.attributes import CREATE, AdmissionAttributes
from kprov.kube.apiserver.handlers import bodies
from kprov.kube.apiserver.handlers.conformance import held_against
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Request, Response, json_response
from kprov.kube.apiserver.resources.info import ResourceInfo

Object = dict[str, Any]
_SHORTEST, _LONGEST = 600, 1 << 32
_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


async def issue(parts: Parts, request: Request, info: ResourceInfo) -> Response:
    """A signed token for a service account."""
    if parts.token_issuer is None:
        raise errors.path_not_found()
    asked = held_against("authentication.v1.TokenRequest", bodies.decode(request), "TokenRequest")
    namespace, name = request.info.namespace, request.info.name
    attrs = AdmissionAttributes(
        user=request.user,
        operation=CREATE,
        resource_info=info,
        version=request.info.api_version,
        subresource="token",
        namespace=namespace,
        name=name,
        obj=asked,
        warnings=request.warnings,
        audit=request.audit,
    )
    await parts.admission.mutate(attrs)
    await parts.admission.validate(attrs)  # a node may ask only for its own pods
    spec = asked.get("spec") or {}
    account = (await parts.store.get_entry(info, namespace, name)).object()
    seconds = spec.get("expirationSeconds") or 3600
    if not _SHORTEST <= seconds <= _LONGEST:
        bound_text = "may not specify a duration less than 10 minutes" if seconds < _SHORTEST else "may not specify a duration larger than 2^32 seconds"  # fmt: skip # noqa: E501
        raise errors.invalid("TokenRequest", "", [{"reason": "FieldValueInvalid", "field": "spec.expirationSeconds",
            "message": f"Invalid value: {seconds}: {bound_text}"}], group="authentication.k8s.io")  # fmt: skip
    bound = await _bound_objects(parts, spec.get("boundObjectRef"), namespace, name)
    issued = parts.token_issuer.issue(
        account, audiences=tuple(spec.get("audiences") or ()), expiration_seconds=seconds, **bound
    )
    expiration = datetime.fromtimestamp(issued.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": None},
        "spec": {
            **spec,
            "expirationSeconds": seconds,
            "audiences": spec.get("audiences") or list(parts.extra.get("audiences", ())),
        },
        "status": {"token": issued.token, "expirationTimestamp": expiration},
    }
    return json_response(answer, 201)


async def _bound_objects(parts: Parts, reference: Object | None, namespace: str, account: str) -> dict[str, Object]:
    """The objects that a token is bound to, by the issuer's argument names."""
    if not reference:
        return {}
    kind = reference.get("kind", "")
    if kind not in _BOUND:
        raise errors.bad_request(f"cannot bind token for serviceaccount {account} to object type {kind!r}")
    if not reference.get("name"):
        raise errors.bad_request("Name parameter required.")
    place = "" if kind == "Node" else namespace
    obj = await parts.store.get(("", _BOUND[kind]), place, reference.get("name", ""))
    uid = obj["metadata"]["uid"]
    if reference.get("uid") and reference["uid"] != uid:
        raise errors.make(
            409,
            "Conflict",
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            f"The object might have been deleted and then recreated",
        )
    bound = {kind.lower(): obj}
    if kind == "Pod":
        if (obj.get("spec") or {}).get("serviceAccountName") != account:
            raise errors.bad_request(f"cannot bind token for serviceaccount {account} to pod running with different serviceaccount name.")  # fmt: skip # noqa: E501
        node_name = obj["spec"].get("nodeName")
        if node_name:
            try:
                bound["node"] = await parts.store.get(("", "nodes"), "", node_name)
            except errors.ApiError as error:
                if error.code != 404:
                    raise
    return bound
