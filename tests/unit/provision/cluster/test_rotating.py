"""What a change of authorities asks of kubelets, of objects with a caBundle and of tokens."""

from __future__ import annotations

import base64
import copy
import datetime
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kprov.kube.apiserver.authentication.keys import read_verification_keys
from kprov.provision.cluster.context import Context
from kprov.provision.cluster.phase import ClusterError
from kprov.provision.cluster.rotating import bundles, service_account
from kprov.provision.cluster.rotating.kubelets import specification_of
from kprov.provision.kubeapi.client import ClusterApiError
from kprov.provision.pki.authority import open_authorities
from kprov.provision.pki.rotation import Step
from kprov.provision.pki.signing import sign_key
from kprov.provision.pki.specification import CertificateSpec


@dataclass
class FakeApi:
    """Objects by path; the first ``conflicts`` writes are refused."""

    objects: dict[str, dict[str, Any]]
    conflicts: int = 0
    written: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, *, params: object = None, body: Any = None) -> Any:
        if method == "PUT":
            if self.conflicts:
                self.conflicts -= 1
                raise ClusterApiError("written meanwhile", 409)
            self.objects[path] = body
            self.written.append(path)
            return body
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        items = [copy.deepcopy(item) for key, item in self.objects.items() if key.rpartition("/")[0] == path]
        if not items and "apiregistration" in path:
            raise ClusterApiError("not found", 404)
        return {"items": items, "metadata": {}}


class FakeEngine:
    """Takes down what is recorded."""

    def __init__(self, *, check: bool = False) -> None:
        self.check, self.recorded = check, list[str]()

    def phase(self, title: str, hosts: object) -> FakeEngine:
        return self

    def __enter__(self) -> FakeEngine:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def record(self, host: object, title: str, **options: object) -> None:
        self.recorded.append(title)


def context_of(api: FakeApi, *, check: bool = False) -> Context:
    return cast(Context, SimpleNamespace(api=api, engine=FakeEngine(check=check)))


def certificate(folder: Path) -> x509.Certificate:
    return open_authorities(folder, lifetime_days=100).cluster.certificate


def bundle_of(*certificates: x509.Certificate) -> str:
    return base64.b64encode(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)).decode()


HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test_ca_bundles_with_the_old_authority_trust_the_new_one_as_well(tmp_path: Path) -> None:
    old, new, foreign = (certificate(tmp_path / name) for name in ("old", "new", "foreign"))
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"caBundle": bundle_of(old)}}}
    objects: dict[str, dict[str, Any]] = {
        f"{HOOKS}/ours": {
            "metadata": {"name": "ours"},
            "webhooks": [
                {"clientConfig": {"caBundle": bundle_of(foreign, old)}},
                {"clientConfig": {"caBundle": bundle_of(foreign)}},
                {"clientConfig": {"url": "https://x"}},
            ],
        },
        f"{HOOKS}/theirs": {"metadata": {"name": "theirs"}, "webhooks": [{"clientConfig": {"caBundle": "!"}}]},
        f"{CRDS}/widgets": {"metadata": {"name": "widgets"}, "spec": {"conversion": conversion}},
    }
    api = FakeApi(objects, conflicts=1)
    context = context_of(api)
    bundles.trust_in_bundles(context, [cast(Any, "cp1")], [(old, new)])
    assert set(api.written) == {f"{CRDS}/widgets", f"{HOOKS}/ours"}
    first, second, _ = (hook["clientConfig"] for hook in api.objects[f"{HOOKS}/ours"]["webhooks"])
    assert bundles.certificates_in(first["caBundle"]) == [foreign, old, new]
    assert bundles.certificates_in(second["caBundle"]) == [foreign]
    converts = api.objects[f"{CRDS}/widgets"]["spec"]["conversion"]["webhook"]["clientConfig"]
    assert bundles.certificates_in(converts["caBundle"]) == [old, new]
    bundles.trust_in_bundles(context, [cast(Any, "cp1")], [(old, new)])
    assert len(api.written) == 2  # again changes nothing
    assert bundles.holding(context, [old]) == [
        "mutatingwebhookconfigurations ours",
        "customresourcedefinitions widgets",
    ]


def test_a_run_that_compares_writes_no_ca_bundle(tmp_path: Path) -> None:
    old, new = certificate(tmp_path / "old"), certificate(tmp_path / "new")
    hook = {"metadata": {"name": "ours"}, "webhooks": [{"clientConfig": {"caBundle": bundle_of(old)}}]}
    api = FakeApi({f"{HOOKS}/ours": hook})
    context = context_of(api, check=True)
    bundles.trust_in_bundles(context, [cast(Any, "cp1")], [(old, new)])
    assert not api.written and len(cast(FakeEngine, context.engine).recorded) == 1


def test_an_object_that_others_write_all_the_time_is_named(tmp_path: Path) -> None:
    old, new = certificate(tmp_path / "old"), certificate(tmp_path / "new")
    hook = {"metadata": {"name": "ours"}, "webhooks": [{"clientConfig": {"caBundle": bundle_of(old)}}]}
    api = FakeApi({f"{HOOKS}/ours": hook}, conflicts=99)
    with pytest.raises(ClusterError, match="mutatingwebhookconfigurations/ours is written by others"):
        bundles.trust_in_bundles(context_of(api), [cast(Any, "cp1")], [(old, new)])


def test_a_kubelets_certificate_is_said_again_as_it_was(tmp_path: Path) -> None:
    authorities = open_authorities(tmp_path, lifetime_days=1000)
    wanted = CertificateSpec(
        name="kubelet-server",
        authority="cluster",
        common_name="system:node:n1",
        organizations=("system:nodes",),
        dns_names=("n1",),
        addresses=("10.0.0.1", "fd00::1"),
        server=True,
        lifetime_days=90,
        path="/somewhere.pem",
        key_path="/var/lib/kubelet/pki/kubelet-server.key.kprov",
    )
    pem = sign_key(authorities.cluster, ec.generate_private_key(ec.SECP256R1()).public_key(), wanted)
    found = specification_of("kubelet-server", "/somewhere.pem", x509.load_pem_x509_certificate(pem))
    assert found == wanted


def token(key_id: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": key_id}).encode()).rstrip(b"=").decode()
    return f"{header}.e30.c2ln"


def secret(name: str, content: str) -> dict[str, Any]:
    data = {"token": base64.b64encode(content.encode()).decode()}
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def test_a_key_is_named_in_tokens_as_the_api_server_names_it(tmp_path: Path) -> None:
    public = open_authorities(tmp_path, lifetime_days=100).service_account.public_pem
    named = service_account.key_id(public)
    assert named == read_verification_keys(public, "sa.pub")[0].key_id
    assert service_account.signed_with(token(named)) == named
    assert service_account.signed_with("no token") == service_account.signed_with("") == ""


def test_the_old_key_is_kept_while_a_secret_has_a_token_of_it(tmp_path: Path) -> None:
    public = open_authorities(tmp_path, lifetime_days=100).service_account.public_pem
    old = service_account.key_id(public)
    api = FakeApi(
        {
            "/api/v1/secrets/old": secret("old", token(old)),
            "/api/v1/secrets/new": secret("new", token("another")),
        }
    )
    with pytest.raises(ClusterError, match=r"default/old\. Delete"):
        service_account.refuse_tokens_for_ever(context_of(api), public)
    del api.objects["/api/v1/secrets/old"]
    service_account.refuse_tokens_for_ever(context_of(api), public)


@pytest.mark.parametrize(("hours", "now", "here", "may"), [
    (1, False, False, True),
    (-1, False, False, False),
    (-1, True, True, True),
    (1, False, True, False),
])  # fmt: skip
def test_the_old_key_goes_when_every_pod_has_a_new_token_or_when_told_to(
    hours: int, now: bool, here: bool, may: bool
) -> None:
    rotation = service_account.ServiceAccountRotation(drop_now=now)
    ready = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
    assert rotation._may_drop(ready, here) is may
    assert bool(rotation.told) is not may


def test_the_same_command_a_day_later_drops_the_old_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []

    def make(rotation: object, context: object, hosts: object, state: object, step: Step) -> None:
        steps.append(str(step))

    monkeypatch.setattr(service_account.ServiceAccountRotation, "_make", make)
    monkeypatch.setattr(service_account, "reopen", lambda *arguments: None)
    context = context_of(FakeApi({}))
    inventory = SimpleNamespace(cluster=SimpleNamespace(ca_lifetime_days=100))
    monkeypatch.setattr(context, "inventory", inventory, raising=False)
    old = open_authorities(tmp_path, lifetime_days=100).service_account

    def call() -> list[str]:
        steps.clear()
        rotation = service_account.ServiceAccountRotation()
        rotation._go(context, [], tmp_path)
        return rotation.told

    assert "run the same command again after" in call()[0] and steps == ["trust-both", "reissue"]
    believed = open_authorities(tmp_path, lifetime_days=100).service_account  # what `kprov up` lays down meanwhile
    assert believed.private_pem != old.private_pem and believed.public_pem.endswith(old.public_pem)
    assert "run the same command again after" in call()[0] and steps == []

    path = tmp_path / "pki/rotation.json"
    content = json.loads(path.read_text())
    since = datetime.datetime.fromisoformat(content["service-account"]["since"]) - datetime.timedelta(hours=24)
    content["service-account"]["since"] = since.isoformat()
    path.write_text(json.dumps(content))
    assert "the old key is gone" in call()[0] and steps == ["trust-new"]
    now = open_authorities(tmp_path, lifetime_days=100).service_account
    assert now.private_pem == believed.private_pem and old.public_pem not in now.public_pem
    assert not path.exists()
