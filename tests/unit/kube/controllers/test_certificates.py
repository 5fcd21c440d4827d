"""Certificate requests: who may have what, and what the certificate says. And service account tokens."""

from __future__ import annotations

import base64
import ipaddress
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kprov.kube.api import errors
from kprov.kube.api.daemon import DaemonError
from kprov.kube.api.kinds import CERTIFICATE_SIGNING_REQUESTS as REQUESTS
from kprov.kube.api.kinds import NODES, SECRETS, SERVICE_ACCOUNTS
from kprov.kube.controllers import command_line, csr_request
from kprov.kube.controllers.csr_approving import CertificateApproving
from kprov.kube.controllers.csr_signing import CertificateSigning
from kprov.kube.controllers.legacy_tokens import LegacyTokens
from kprov.kube.controllers.pod_state import condition
from kprov.kube.controllers.serviceaccount_token import TokensController
from kprov.kube.controllers.token_secrets import ACCOUNT_NAME, TOKEN_TYPE

Object = dict[str, Any]
CLIENT_USAGES = ["digital signature", "key encipherment", "client auth"]
SERVER_USAGES = ["digital signature", "key encipherment", "server auth"]


def request(
    signer: str,
    common_name: str = "system:node:n1",
    organization: str = "system:nodes",
    *,
    dns: tuple[str, ...] = (),
    ips: tuple[str, ...] = (),
    usages: list[str] | None = None,
    username: str = "system:node:n1",
    **spec: Any,
) -> Object:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns or ips:
        names: list[x509.GeneralName] = [x509.DNSName(n) for n in dns]
        names += [x509.IPAddress(ipaddress.ip_address(i)) for i in ips]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    body = {
        "request": base64.b64encode(pem).decode(),
        "signerName": signer,
        "usages": usages or CLIENT_USAGES,
        "username": username,
        "groups": ["system:nodes", "system:authenticated"],
        **spec,
    }
    return {"metadata": {"name": "r"}, "spec": body}


APPROVED = {"conditions": [{"type": "Approved", "status": "True"}]}


@pytest.fixture
def authority(bench, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    import datetime

    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier(b"reckoned otherwise"), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "ca.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    bench.options.cluster_signing_cert_file = str(tmp_path / "ca.crt")
    bench.options.cluster_signing_key_file = str(tmp_path / "ca.key")
    return certificate


async def test_an_approved_request_is_signed_and_never_outlives_the_authority(bench, cluster, authority):
    found = request(csr_request.KUBELET_CLIENT)
    cluster.add(REQUESTS, {**found, "status": APPROVED})
    await bench.start(CertificateSigning)
    encoded = await bench.until(lambda: cluster.find(REQUESTS, "r")["status"].get("certificate"))
    certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    certificate.verify_directly_issued_by(authority)
    assert certificate.not_valid_after_utc == authority.not_valid_after_utc
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == b"reckoned otherwise"
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"


async def test_what_nobody_approved_is_not_signed(bench, cluster, authority):
    cluster.add(REQUESTS, request(csr_request.KUBELET_CLIENT))
    await bench.start(CertificateSigning)
    await bench.settle()
    assert not cluster.find(REQUESTS, "r").get("status")


async def test_an_approved_request_that_its_signer_does_not_sign_fails(bench, cluster, authority):
    cluster.add(REQUESTS, {**request(csr_request.CLIENT, "me", "system:masters"), "status": APPROVED})
    await bench.start(CertificateSigning)
    failed = await bench.until(lambda: condition(cluster.find(REQUESTS, "r"), "Failed"))
    assert "system:masters" in failed["message"]


@pytest.mark.parametrize(
    ("signer", "changes", "wrong"),
    [
        (csr_request.KUBELET_CLIENT, {}, None),
        (csr_request.KUBELET_CLIENT, {"dns": ("n1",)}, "alternative names"),
        (csr_request.KUBELET_CLIENT, {"organization": "others"}, "organization"),
        (csr_request.KUBELET_CLIENT, {"common_name": "n1"}, "common name"),
        (csr_request.KUBELET_CLIENT, {"usages": SERVER_USAGES}, "client auth"),
        (csr_request.KUBELET_CLIENT, {"usages": [*CLIENT_USAGES, "server auth"]}, "not permitted"),
        (csr_request.KUBELET_SERVING, {"usages": SERVER_USAGES}, "needs DNS or IP"),
        (csr_request.KUBELET_SERVING, {"usages": SERVER_USAGES, "ips": ("10.0.0.1",)}, None),
        (csr_request.CLIENT, {"organization": "people"}, None),
    ],
)
def test_what_each_signer_demands(signer, changes, wrong):
    found = request(signer, **changes)
    parsed = csr_request.parse(found)
    if wrong is None:
        csr_request.SIGNERS[signer](found["spec"], parsed)
    else:
        with pytest.raises(csr_request.Refused, match=wrong):
            csr_request.SIGNERS[signer](found["spec"], parsed)


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_nodes_own_client_certificate_is_approved_by_its_rights(bench, cluster, allowed):
    cluster.allowed = allowed
    cluster.add(REQUESTS, request(csr_request.KUBELET_CLIENT))
    await bench.start(CertificateApproving)
    await bench.settle()
    assert bool(condition(cluster.find(REQUESTS, "r"), "Approved")) is allowed


@pytest.mark.parametrize(
    ("changes", "approved"),
    [
        ({"dns": ("n1",), "ips": ("10.0.0.1",)}, True),
        ({"ips": ("10.0.0.1",)}, True),
        ({"dns": ("n1", "kubernetes.default")}, False),
        ({"ips": ("10.0.0.2",)}, False),
        ({"ips": ("10.0.0.1",), "username": "system:node:n2"}, False),
        ({"ips": ("10.0.0.1",), "common_name": "system:node:n2"}, False),
        ({"ips": ("10.0.0.1",), "groups": ["system:authenticated"]}, False),
    ],
)
async def test_a_node_serves_under_its_own_addresses_only(bench, cluster, changes, approved):
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n1"}]
    for name in ("n1", "n2"):
        cluster.add(
            NODES, {"metadata": {"name": name}, "spec": {}, "status": {"addresses": addresses if name == "n1" else []}}
        )
    cluster.add(REQUESTS, request(csr_request.KUBELET_SERVING, usages=SERVER_USAGES, **changes))
    await bench.start(CertificateApproving)
    await bench.settle()
    assert bool(condition(cluster.find(REQUESTS, "r"), "Approved")) is approved


async def test_a_node_that_posts_its_addresses_later_is_approved_then(bench, cluster):
    cluster.add(NODES, {"metadata": {"name": "n1"}, "spec": {}, "status": {}})
    cluster.add(REQUESTS, request(csr_request.KUBELET_SERVING, usages=SERVER_USAGES, ips=("10.0.0.1",)))
    await bench.start(CertificateApproving)
    await bench.settle()
    assert not condition(cluster.find(REQUESTS, "r"), "Approved")
    cluster.change(NODES, "n1", status={"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]})
    await bench.until(lambda: condition(cluster.find(REQUESTS, "r"), "Approved"))


def signing_key(bench, tmp_path):
    """A key for service accounts, in the controllers' options."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (tmp_path / "sa.key").write_bytes(pem)
    (tmp_path / "ca.crt").write_text("PEM")
    bench.options.service_account_private_key_file = str(tmp_path / "sa.key")
    bench.options.root_ca_file = str(tmp_path / "ca.crt")
    return key


async def test_a_token_secret_is_filled_and_goes_with_its_account(bench, cluster, tmp_path):
    key = signing_key(bench, tmp_path)
    cluster.add(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    asked = {"name": "robot-token", "namespace": "default", "annotations": {ACCOUNT_NAME: "robot"}}
    cluster.add(SECRETS, {"metadata": asked, "type": TOKEN_TYPE})
    await bench.start(TokensController)
    data = await bench.until(lambda: cluster.find(SECRETS, "robot-token", "default").get("data"))
    assert base64.b64decode(data["ca.crt"]) == b"PEM"
    signed, _, signature = base64.b64decode(data["token"]).decode().rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    key.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    assert (claims["iss"], claims["sub"]) == ("kubernetes/serviceaccount", "system:serviceaccount:default:robot")
    await cluster.delete(SERVICE_ACCOUNTS, "robot", "default")
    await bench.until(lambda: not cluster.of(SECRETS))


async def test_accounts_get_a_token_secret_where_old_clients_count_on_it(bench, cluster, tmp_path):
    signing_key(bench, tmp_path)
    cluster.add(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}, "secrets": [{"name": "own"}]})
    cluster.add(SECRETS, {"metadata": {"name": "own", "namespace": "default"}, "type": "Opaque"})
    await bench.start(LegacyTokens)

    def token_secret():
        named = [each["name"] for each in cluster.find(SERVICE_ACCOUNTS, "robot", "default")["secrets"]]
        return named[1:] and named[0] == "own" and cluster.find(SECRETS, named[1], "default")

    first = await bench.until(token_secret)
    assert first["type"] == TOKEN_TYPE and set(first["data"]) == {"token", "namespace", "ca.crt"}
    await bench.settle()
    assert len(cluster.of(SECRETS)) == 2
    await cluster.delete(SECRETS, first["metadata"]["name"], "default")
    second = await bench.until(token_secret)
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert len(cluster.find(SERVICE_ACCOUNTS, "robot", "default")["secrets"]) == 2


async def test_a_token_secret_that_its_account_cannot_name_goes_again(bench, cluster, tmp_path):
    signing_key(bench, tmp_path)
    cluster.add(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    refusals = 3

    def refuse(verb, resource, name):
        nonlocal refusals
        if (verb, resource) == ("update", SERVICE_ACCOUNTS) and refusals:
            refusals -= 1
            raise errors.conflict(SERVICE_ACCOUNTS, name)

    cluster.refuse = refuse
    await bench.start(LegacyTokens)
    await bench.until(lambda: cluster.find(SERVICE_ACCOUNTS, "robot", "default").get("secrets"))
    await bench.settle()
    assert len(cluster.of(SECRETS)) == 1


async def test_no_token_is_made_in_a_namespace_that_goes(bench, cluster, tmp_path):
    signing_key(bench, tmp_path)
    asked = 0

    def refuse(verb, resource, name):
        nonlocal asked
        if (verb, resource) == ("create", SECRETS):
            asked += 1
            error = errors.forbidden(SECRETS, name, "unable to create new content: it is being terminated")
            error.status["details"] = {"causes": [{"reason": "NamespaceTerminating"}]}
            raise error

    cluster.refuse = refuse
    cluster.add(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    await bench.start(LegacyTokens)
    await bench.until(lambda: asked)
    await bench.settle()
    assert asked == 1


def test_only_gates_that_exist_are_taken():
    flags = command_line.flag_set()
    name = "LegacyServiceAccountTokenNoAutoGeneration"
    assert not command_line.options_of(flags.parse([])).legacy_tokens
    assert command_line.options_of(flags.parse([f"--feature-gates={name}=false"])).legacy_tokens
    with pytest.raises(DaemonError, match="no gate AllAlpha"):
        command_line.options_of(flags.parse(["--feature-gates=AllAlpha=true"]))
    with pytest.raises(DaemonError, match="true or false"):
        command_line.options_of(flags.parse([f"--feature-gates={name}=no"]))
