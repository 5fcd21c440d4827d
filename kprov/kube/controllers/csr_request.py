"""Certificate signing requests: reading them, and what upstream's signers demand of each."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kprov.kube.controllers.pod_state import condition

if TYPE_CHECKING:
    from cryptography import x509

Object = dict[str, Any]

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"


class Refused(Exception):
    """The request is not what its signer signs. The message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request."""

    request: x509.CertificateSigningRequest
    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    other_names: int  # e-mail addresses and URIs


def is_approved(obj: Object) -> bool:
    """Whether the request is approved, and not denied as well."""
    approved, denied = condition(obj, "Approved"), condition(obj, "Denied")
    return approved is not None and approved.get("status", "True") == "True" and denied is None


def parse(obj: Object) -> Request:
    """Read ``spec.request``. Raises Refused if it is no valid, self-signed PKCS#10 request."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        request = x509.load_pem_x509_csr(base64.b64decode(obj["spec"]["request"]))
    except ValueError as error:
        raise Refused(f"unable to parse the request: {error}") from error
    if not request.is_signature_valid:
        raise Refused("the request is not signed by the key in it")
    names = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = [str(a.value) for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    dns: list[str] = []
    addresses: list[str] = []
    others = 0
    try:
        alternative = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        dns = alternative.get_values_for_type(x509.DNSName)
        addresses = [str(ip) for ip in alternative.get_values_for_type(x509.IPAddress)]
        others = len(list(alternative)) - len(dns) - len(addresses)
    return Request(request, names[0] if names else "", tuple(organizations), tuple(dns), tuple(addresses), others)


def _usages(spec: Object, required: str, allowed: set[str]) -> None:
    usages = set(spec.get("usages") or ())
    if required not in usages:
        raise Refused(f"usages must include {required!r}")
    if extra := usages - allowed - {required}:
        raise Refused(f"usages not permitted: {', '.join(sorted(extra))}")


_KEY_USAGES = {"digital signature", "key encipherment"}


def _node_subject(parsed: Request) -> None:
    if parsed.organizations != ("system:nodes",):
        raise Refused('subject organization is not "system:nodes"')
    if not parsed.common_name.startswith("system:node:") or parsed.common_name == "system:node:":
        raise Refused('subject common name does not begin with "system:node:"')


def check_kubelet_client(spec: Object, parsed: Request) -> None:
    """kubernetes.io/kube-apiserver-client-kubelet. Raises Refused."""
    _node_subject(parsed)
    if parsed.dns_names or parsed.addresses or parsed.other_names:
        raise Refused("a kubelet's client certificate has no alternative names")
    _usages(spec, "client auth", _KEY_USAGES)


def check_kubelet_serving(spec: Object, parsed: Request) -> None:
    """kubernetes.io/kubelet-serving. Raises Refused."""
    _node_subject(parsed)
    if not parsed.dns_names and not parsed.addresses:
        raise Refused("a kubelet's serving certificate needs DNS or IP alternative names")
    if parsed.other_names:
        raise Refused("only DNS and IP alternative names are permitted")
    _usages(spec, "server auth", _KEY_USAGES)


def check_client(spec: Object, parsed: Request) -> None:
    """kubernetes.io/kube-apiserver-client. Raises Refused."""
    if "system:masters" in parsed.organizations:
        raise Refused('use of the "system:masters" group is not permitted')
    _usages(spec, "client auth", _KEY_USAGES)


def check_legacy(spec: Object, parsed: Request) -> None:
    """kubernetes.io/legacy-unknown: upstream signs what was approved."""


SIGNERS: dict[str, Callable[[Object, Request], None]] = {
    CLIENT: check_client,
    KUBELET_CLIENT: check_kubelet_client,
    KUBELET_SERVING: check_kubelet_serving,
    LEGACY: check_legacy,
}
