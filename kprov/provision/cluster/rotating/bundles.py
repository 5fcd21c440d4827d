"""Where objects of the API hold the cluster's authorities: ConfigMaps that daemons keep, and caBundles of users.

The ConfigMaps follow the files of the daemons that keep them; they are waited for. A caBundle that holds an authority
which is being changed is given the new one beside it. The old one is never taken out of it here: only who runs that
webhook knows whether its own certificate has been made anew.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.engine.waiting import Wait
from kprov.provision.inventory import Host
from kprov.provision.kubeapi.client import ClusterApiError

_WITH_BUNDLES = (
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiregistration.k8s.io/v1/apiservices",
)
_ATTEMPTS = 5
_TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


def wait_for_config_maps(context: Context, hosts: list[Host]) -> None:
    """Wait until the cluster tells everybody whom to trust as it is by now: pods, and API servers beside its own.

    Raises:
        ClusterError: it does not.
    """
    engine, authorities = context.engine, context.authorities
    with engine.phase("Tell pods and other API servers whom to trust", hosts[:1]):
        if engine.check:
            return
        wait = Wait("the ConfigMaps with the authorities", "nodes", engine.timeouts, engine.waiting, ClusterError)
        while missing := _not_told(
            context,
            servers=authorities.cluster.trusted_pem.decode(),
            clients=authorities.cluster.client_pem.decode(),
            front_proxy=authorities.front_proxy.client_pem.decode(),
        ):
            wait.longer(missing)


def _not_told(context: Context, *, servers: str, clients: str, front_proxy: str) -> str:
    try:
        selector = {"fieldSelector": "metadata.name=kube-root-ca.crt"}
        maps = context.api.request("GET", "/api/v1/configmaps", params=selector)["items"]
        told = {each["metadata"]["namespace"] for each in maps if (each.get("data") or {}).get("ca.crt") == servers}
        for namespace in context.api.request("GET", "/api/v1/namespaces")["items"]:
            metadata = namespace["metadata"]
            if metadata["name"] not in told and not metadata.get("deletionTimestamp"):
                return f"kube-root-ca.crt in the namespace {metadata['name']} is not as it should be"
        data = context.api.request("GET", _TRUST).get("data") or {}
    except ClusterApiError as error:
        return str(error)
    if (data.get("client-ca-file"), data.get("requestheader-client-ca-file")) != (clients, front_proxy):
        return "extension-apiserver-authentication in kube-system is not as it should be"
    return ""


def trust_in_bundles(
    context: Context, hosts: list[Host], changes: list[tuple[x509.Certificate, x509.Certificate]]
) -> None:
    """Give caBundles that hold an old authority the new one as well.

    Args: ``changes``: old and new.

    Raises:
        ClusterError: an object does not take it. ClusterApiError.
    """
    with context.engine.phase("Objects that hold an authority", hosts[:1]) as phase:
        for path, item in _holding(context, [old for old, _ in changes]):
            name = f"{path.rpartition('/')[2]} {item['metadata']['name']}"
            if not _replace(item, changes):
                continue
            phase.record(hosts[0], f"caBundle of {name}", changed=True, message="trusts the new authority as well")
            if not context.engine.check:
                _write(context, f"{path}/{item['metadata']['name']}", changes)


def holding(context: Context, old: list[x509.Certificate]) -> list[str]:
    """The objects whose caBundle holds an old authority, new one beside it or not. Raises ClusterApiError."""
    return [f"{path.rpartition('/')[2]} {item['metadata']['name']}" for path, item in _holding(context, old)]


def _holding(context: Context, old: list[x509.Certificate]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in _WITH_BUNDLES:
        try:
            items = context.api.request("GET", path)["items"]
        except ClusterApiError as error:
            if error.code == 404:
                continue
            raise
        for item in items:
            if any(set(certificates_in(holder["caBundle"])) & set(old) for holder in _holders(item)):
                yield path, item


def _holders(content: Any) -> Iterator[dict[str, Any]]:
    """Everything with a caBundle in an object."""
    if isinstance(content, list):
        for each in content:
            yield from _holders(each)
    elif isinstance(content, dict):
        if isinstance(content.get("caBundle"), str) and content["caBundle"]:
            yield content
        for each in content.values():
            yield from _holders(each)


def certificates_in(bundle: str) -> list[x509.Certificate]:
    """The certificates of a caBundle; none where it is not what it should be."""
    try:
        return x509.load_pem_x509_certificates(base64.b64decode(bundle))
    except ValueError:
        return []


def _replace(item: dict[str, Any], changes: list[tuple[x509.Certificate, x509.Certificate]]) -> bool:
    changed = False
    for holder in _holders(item):
        present = certificates_in(holder["caBundle"])
        more = [new for old, new in changes if old in present and new not in present]
        if more:
            text = base64.b64decode(holder["caBundle"]).strip()
            for certificate in more:
                text += b"\n" + certificate.public_bytes(serialization.Encoding.PEM).strip()
            holder["caBundle"] = base64.b64encode(text + b"\n").decode()
            changed = True
    return changed


def _write(context: Context, path: str, changes: list[tuple[x509.Certificate, x509.Certificate]]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            item = context.api.request("GET", path)
            if _replace(item, changes):
                context.api.request("PUT", path, body=item)
            return
        except ClusterApiError as error:
            if error.code == 404:
                return
            if error.code != 409:
                raise
    raise ClusterError(f"{path} is written by others all the time: its caBundle lacks the new authority. Try again")
