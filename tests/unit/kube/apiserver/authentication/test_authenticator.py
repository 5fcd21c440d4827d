"""Each way of telling who sent a request."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from multidict import CIMultiDict

from kprov.kube.api.client_authorities import Authorities
from kprov.kube.apiserver.authentication import discovery, jwt
from kprov.kube.apiserver.authentication.authenticator import Authenticator, ClientCertificates
from kprov.kube.apiserver.authentication.bootstrap_tokens import BootstrapTokens
from kprov.kube.apiserver.authentication.instruments import ATTEMPTS, FETCHED, TOKENS, USERS, shown
from kprov.kube.apiserver.authentication.keys import read_signing_key, read_verification_keys
from kprov.kube.apiserver.authentication.request_header import RequestHeaderAuthentication
from kprov.kube.apiserver.authentication.service_accounts import ServiceAccountTokens
from kprov.kube.apiserver.authentication.static_tokens import StaticTokens, TokenFileError
from kprov.kube.apiserver.authentication.token_issuer import TokenIssuer
from kprov.kube.apiserver.request import UserInfo

ISSUER = "https://kubernetes.default.svc"
NOW = 1_700_000_000.0


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def authority(name):
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _certificate(name, key, name, key, ca=True)


def _certificate(name, key, issuer, signer, groups=(), ca=False, usage=ExtendedKeyUsageOID.CLIENT_AUTH, hours=24):
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        + [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    )
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(hours=hours))
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    return builder.sign(signer, hashes.SHA256())


CA_KEY, CA = authority("ca")
PROXY_KEY, PROXY_CA = authority("front-proxy-ca")


def client(name, groups=(), key=CA_KEY, issuer="ca", usage=ExtendedKeyUsageOID.CLIENT_AUTH, hours=24):
    own = ec.generate_private_key(ec.SECP256R1())
    made = _certificate(name, own, issuer, key, groups, usage=usage, hours=hours)
    return made.public_bytes(serialization.Encoding.DER)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


CERTIFICATES = ClientCertificates(Authorities((pem(CA),)))


async def test_a_certificate_names_user_and_groups():
    user = await Authenticator(certificates=CERTIFICATES).authenticate(CIMultiDict(), client("jane", ("dev", "ops")))
    assert (user.name, user.groups) == ("jane", ("dev", "ops", "system:authenticated"))


@pytest.mark.parametrize(
    "der",
    [client("server", usage=ExtendedKeyUsageOID.SERVER_AUTH), client("proxy", key=PROXY_KEY, issuer="front-proxy-ca")],
    ids=["of a server", "of the front proxy's authority"],
)
async def test_other_certificates_name_nobody(der):
    assert await Authenticator(certificates=CERTIFICATES, anonymous=False).authenticate(CIMultiDict(), der) is None


@pytest.mark.parametrize(
    ("name", "key", "issuer", "expected"),
    [
        ("front-proxy-client", PROXY_KEY, "front-proxy-ca", "jane"),
        ("other", PROXY_KEY, "front-proxy-ca", None),
        ("front-proxy-client", CA_KEY, "ca", "front-proxy-client"),
    ],
)
async def test_the_front_proxy_is_believed_and_nobody_else(name, key, issuer, expected):
    proxy = RequestHeaderAuthentication(Authorities((pem(PROXY_CA),)), ("front-proxy-client",))
    headers = CIMultiDict({"X-Remote-User": "jane", "X-Remote-Group": "dev", "X-Remote-Extra-Scopes": "a"})
    user = await Authenticator(certificates=CERTIFICATES, request_header=proxy).authenticate(
        headers, client(name, key=key, issuer=issuer)
    )
    assert (user.name if user else None) == expected
    if expected == "jane":
        assert (user.groups, dict(user.extra)) == (("dev", "system:authenticated"), {"scopes": ["a"]})


async def test_a_certificate_is_good_for_as_long_as_its_authority_is_trusted():
    authorities, jane = Authorities((pem(CA),)), client("jane")
    authenticator = Authenticator(certificates=ClientCertificates(authorities))
    assert (await authenticator.authenticate(CIMultiDict(), jane)).name == "jane"
    authorities.replace((pem(PROXY_CA),))  # the connection is still open
    assert await authenticator.authenticate(CIMultiDict(), jane) is None
    authorities.replace((pem(PROXY_CA), pem(CA)))
    assert (await authenticator.authenticate(CIMultiDict(), jane)).name == "jane"
    with pytest.raises(ValueError):
        authorities.replace((b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----",))
    assert (await authenticator.authenticate(CIMultiDict(), jane)).name == "jane"


async def test_a_certificate_that_came_to_its_end_names_nobody():
    authenticator = Authenticator(certificates=CERTIFICATES)
    assert await authenticator.authenticate(CIMultiDict(), client("jane", hours=-1)) is None


async def test_a_chain_leads_to_an_authority():
    between_key = ec.generate_private_key(ec.SECP256R1())
    between = _certificate("between", between_key, "ca", CA_KEY, ca=True)
    jane = client("jane", key=between_key, issuer="between")
    authenticator = Authenticator(certificates=CERTIFICATES)
    assert await authenticator.authenticate(CIMultiDict(), jane) is None
    chain = [jane, *(each.public_bytes(serialization.Encoding.DER) for each in (between, CA))]
    assert (await authenticator.authenticate(CIMultiDict(), jane, lambda: chain)).name == "jane"
    assert (await authenticator.authenticate(CIMultiDict(), jane, lambda: chain[:2])).name == "jane"
    of_proxies = Authenticator(certificates=ClientCertificates(Authorities((pem(PROXY_CA),))))
    assert await of_proxies.authenticate(CIMultiDict(), jane, lambda: chain) is None


async def test_a_token_stands_beside_a_certificate_that_is_not_trusted(tmp_path):
    file = tmp_path / "tokens.csv"
    file.write_text("secret,joe,43\n")
    authenticator = Authenticator(certificates=CERTIFICATES, static_tokens=StaticTokens.read(file))
    strange = client("jane", key=PROXY_KEY, issuer="front-proxy-ca")
    assert (await authenticator.authenticate(CIMultiDict(Authorization="Bearer secret"), strange)).name == "joe"


@pytest.mark.parametrize("anonymous", [True, False])
async def test_without_credentials(anonymous):
    user = await Authenticator(anonymous=anonymous).authenticate(CIMultiDict(), None)
    assert (user.name if user else None) == ("system:anonymous" if anonymous else None)


async def test_a_wrong_token_is_not_anonymous():
    assert await Authenticator().authenticate(CIMultiDict(Authorization="Bearer nonsense"), None) is None


async def test_token_file(tmp_path):
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,42,"dev,ops"\nplain,joe,43\n')
    authenticator = Authenticator(static_tokens=StaticTokens.read(file))
    user = await authenticator.authenticate(CIMultiDict(Authorization="Bearer secret"), None)
    assert (user.name, user.uid, user.groups) == ("jane", "42", ("dev", "ops", "system:authenticated"))
    file.write_text("secret,jane\n")
    with pytest.raises(TokenFileError, match=":1:"):
        StaticTokens.read(file)


# Service accounts


ACCOUNT = {"metadata": {"name": "app", "namespace": "default", "uid": "account-uid"}}
POD = {"metadata": {"name": "p", "namespace": "default", "uid": "pod-uid"}}
NODE = {"metadata": {"name": "n", "uid": "node-uid"}}


def tokens_of(store, key=RSA_KEY, now=NOW):
    signing = read_signing_key(pem_of(key), "sa.key")
    issuer = TokenIssuer(signing, ISSUER, [ISSUER], now=lambda: NOW)
    checker = ServiceAccountTokens(store, [signing.verification], [ISSUER], [ISSUER], now=lambda: now)
    return issuer, checker


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["RSA", "EC"])
async def test_a_bound_token(store, key):
    issuer, checker = tokens_of(store, key)
    store.add(("", "serviceaccounts"), ACCOUNT)
    store.add(("", "pods"), POD)
    issued = issuer.issue(ACCOUNT, pod=POD, node=NODE)
    assert issued.expires == NOW + 3600
    headers = CIMultiDict(Authorization=f"Bearer {issued.token}")
    user = await Authenticator(service_accounts=checker).authenticate(headers, None)
    assert user.name == "system:serviceaccount:default:app"
    assert user.uid == "account-uid"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
    assert user.extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert user.extra["authentication.kubernetes.io/node-name"] == ["n"]


def _gone(store):
    store.remove(("", "pods"), "default", "p")


def _replaced(store):
    store.add(("", "pods"), {"metadata": {**POD["metadata"], "uid": "another"}})


def _account_replaced(store):
    store.add(("", "serviceaccounts"), {"metadata": {**ACCOUNT["metadata"], "uid": "another"}})


def _long_deleted(store):
    store.add(("", "pods"), {"metadata": {**POD["metadata"], "deletionTimestamp": "2023-11-14T00:00:00Z"}})


@pytest.mark.parametrize("what", [_gone, _replaced, _account_replaced, _long_deleted])
def test_a_bound_token_dies_with_what_it_is_bound_to(store, what):
    issuer, checker = tokens_of(store)
    store.add(("", "serviceaccounts"), ACCOUNT)
    store.add(("", "pods"), POD)
    token = issuer.issue(ACCOUNT, pod=POD).token
    assert checker.user_of(token)
    what(store)
    with pytest.raises(jwt.TokenError):
        checker.user_of(token)


def test_a_token_ends(store):
    issuer, late = tokens_of(store, now=NOW + 3600 + 61)
    store.add(("", "serviceaccounts"), ACCOUNT)
    with pytest.raises(jwt.TokenError, match="expired"):
        late.user_of(issuer.issue(ACCOUNT).token)


def test_a_token_is_for_its_audience(store):
    issuer, checker = tokens_of(store)
    store.add(("", "serviceaccounts"), ACCOUNT)
    token = issuer.issue(ACCOUNT, audiences=["vault"]).token
    with pytest.raises(jwt.TokenError, match="audiences"):
        checker.user_of(token)
    assert checker.user_of(token, ["vault", "other"])[1] == ["vault"]


def test_a_pods_own_token_lasts_a_year_and_says_when_it_is_stale(store):
    issuer, checker = tokens_of(store, now=NOW + 4000)
    store.add(("", "serviceaccounts"), ACCOUNT)
    store.add(("", "pods"), POD)
    issued = issuer.issue(ACCOUNT, pod=POD, expiration_seconds=3607)
    claims = jwt.unverified_claims(issued.token)
    assert issued.expires == NOW + 3607
    assert claims["exp"] == NOW + 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] == NOW + 3607
    assert checker.user_of(issued.token)


@pytest.mark.parametrize("change", ["signature", "algorithm", "payload"])
def test_a_forged_token(store, change):
    issuer, checker = tokens_of(store)
    store.add(("", "serviceaccounts"), ACCOUNT)
    head, payload, signature = issuer.issue(ACCOUNT).token.split(".")
    if change == "signature":
        signature = signature[:-8] + "AAAAAAAA"
    elif change == "algorithm":
        head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    else:
        payload = base64.urlsafe_b64encode(base64.urlsafe_b64decode(payload + "==").replace(b"app", b"abc")).decode()
    with pytest.raises(jwt.TokenError):
        checker.user_of(f"{head}.{payload.rstrip('=')}.{signature}")


def test_a_legacy_token_lives_as_long_as_its_secret(store):
    signing = read_signing_key(pem_of(RSA_KEY), "sa.key")
    checker = ServiceAccountTokens(store, [signing.verification], [ISSUER], [ISSUER])
    prefix = "kubernetes.io/serviceaccount/"
    token = jwt.sign(
        {
            "iss": "kubernetes/serviceaccount",
            "sub": "system:serviceaccount:default:app",
            prefix + "namespace": "default",
            prefix + "secret.name": "app-token",
            prefix + "service-account.name": "app",
            prefix + "service-account.uid": "account-uid",
        },
        signing,
    )
    secret = {"metadata": {"name": "app-token", "namespace": "default"}}
    store.add(("", "serviceaccounts"), ACCOUNT)
    store.add(("", "secrets"), {**secret, "data": {"token": base64.b64encode(token.encode()).decode()}})
    assert checker.user_of(token)[0].name == "system:serviceaccount:default:app"
    store.remove(("", "secrets"), "default", "app-token")
    with pytest.raises(jwt.TokenError):
        checker.user_of(token)


async def test_what_the_cache_lacks_is_waited_for(store):
    issuer, checker = tokens_of(store)

    async def catch_up():
        store.add(("", "serviceaccounts"), ACCOUNT)

    headers = CIMultiDict(Authorization=f"Bearer {issuer.issue(ACCOUNT).token}")
    assert await Authenticator(service_accounts=checker, catch_up=catch_up).authenticate(headers, None)


async def test_token_review(store):
    issuer, checker = tokens_of(store)
    store.add(("", "serviceaccounts"), ACCOUNT)
    authenticator = Authenticator(service_accounts=checker, audiences=[ISSUER])
    status = await authenticator.review_token(issuer.issue(ACCOUNT).token)
    assert status["authenticated"]
    assert status["user"]["username"] == "system:serviceaccount:default:app"
    assert status["audiences"] == [ISSUER]
    assert not (await authenticator.review_token("nonsense")).get("authenticated")


def test_discovery_documents():
    keys = read_verification_keys(pem_of(RSA_KEY) + pem_of(EC_KEY), "sa.pub")
    document = discovery.openid_configuration(ISSUER, f"{ISSUER}{discovery.JWKS_PATH}", keys)
    assert document["id_token_signing_alg_values_supported"] == ["ES256", "RS256"]
    first, second = discovery.jwks(keys)["keys"]
    assert (first["kty"], first["e"], second["crv"]) == ("RSA", "AQAB", "P-256")
    assert first["kid"] == keys[0].key_id


# Bootstrap tokens


def bootstrap_secret(**changed):
    data = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:workers",
        **changed,
    }
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({}, True),
        ({"expiration": "2999-01-01T00:00:00Z"}, True),
        ({"expiration": "2001-01-01T00:00:00Z"}, False),
        ({"expiration": "soon"}, False),
        ({"token-secret": "fedcba9876543210"}, False),
        ({"token-id": "other0"}, False),
        ({"usage-bootstrap-authentication": "false"}, False),
        ({"auth-extra-groups": "system:masters"}, False),
    ],
)
def test_bootstrap_tokens(store, changed, good):
    store.add(("", "secrets"), bootstrap_secret(**changed))
    user = BootstrapTokens(store).user_of("abcdef.0123456789abcdef")
    assert bool(user) is good
    if user:
        assert user.name == "system:bootstrap:abcdef"
        assert user.groups == ("system:bootstrappers", "system:bootstrappers:workers")


async def test_attempts_are_counted_by_what_came_of_them():
    tokens = StaticTokens({"good": UserInfo("ann@example.org")})
    asking = Authenticator(static_tokens=tokens, anonymous=False)

    def counts():
        return [
            ATTEMPTS.values.get(("success",), 0),
            ATTEMPTS.values.get(("failure",), 0),
            USERS.values.get(("email_id",), 0),
            TOKENS.values.get(("hit",), 0),
            TOKENS.values.get(("miss",), 0),
            FETCHED.values.get(("ok",), 0),
            FETCHED.values.get(("error",), 0),
        ]

    before = counts()
    for token in ("good", "good", "bad"):
        await asking.authenticate(CIMultiDict({"Authorization": f"Bearer {token}"}), None)
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [2, 1, 2, 1, 2, 1, 1]


def test_no_user_chooses_how_many_series_there_are():
    assert {shown(f"user-{number}") for number in range(100)} == {"other"}
    assert {shown(f"user-{number}@x") for number in range(100)} == {"email_id"}
    assert shown("system:anonymous") == "other" and shown("kubelet") == "kubelet"
