"""The cluster's names, question by question; answers go over the wire format and back."""

from __future__ import annotations

from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from kprov.kube.api.client import ApiClient
from kprov.kube.api.informer import Informer
from kprov.kube.api.kinds import ENDPOINT_SLICES, SERVICES
from kprov.kube.dns.server import DnsServer, _pack
from kprov.kube.dns.zone import Zone


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


def slice_of(name: str, *endpoints: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "default",
            "name": f"{name}-abc",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "peer", "port": 2380, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


OBJECTS = [
    service("web", clusterIP="10.96.0.20", ports=[{"name": "http", "port": 80, "protocol": "TCP"}]),
    service("db", clusterIP="None", ports=[{"name": "peer", "port": 2380}]),
    service("empty", clusterIP="None", ports=[]),
    service("outside", type="ExternalName", externalName="example.org"),
]
SLICES = [
    slice_of(
        "db",
        {"addresses": ["10.244.1.2"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.2.2"], "conditions": {"ready": True}},
        {"addresses": ["10.244.2.3"], "hostname": "db-2", "conditions": {"ready": False}},
    )
]


def fill(informer: Informer, objects: list[dict[str, Any]]) -> None:
    for key in list(informer.keys()):
        informer._remove(key)
    for obj in objects:
        informer._put(obj)
    informer._synced.set()


@pytest.fixture
def zone() -> Zone:
    client = ApiClient("https://127.0.0.1:1")
    services, slices = Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES)
    zone = Zone(services, slices, domain="cluster.local", networks=["10.244.0.0/16", "10.96.0.0/16"])
    fill(services, OBJECTS)
    fill(slices, SLICES)
    return zone


def ask(zone: Zone, name: str, kind: str = "A") -> tuple[str, list[str]]:
    reply = DNSRecord.parse(zone.answer(DNSRecord.question(name, kind)).pack())
    return RCODE.get(reply.header.rcode), sorted(str(record.rdata) for record in reply.rr)


@pytest.mark.parametrize(
    ("name", "kind", "code", "answers"),
    [
        ("web.default.svc.cluster.local", "A", "NOERROR", ["10.96.0.20"]),
        ("WEB.default.svc.Cluster.Local.", "A", "NOERROR", ["10.96.0.20"]),
        ("web.default.svc.cluster.local", "AAAA", "NOERROR", []),
        ("db.default.svc.cluster.local", "A", "NOERROR", ["10.244.1.2", "10.244.2.2"]),
        ("db-0.db.default.svc.cluster.local", "A", "NOERROR", ["10.244.1.2"]),
        ("10-244-2-2.db.default.svc.cluster.local", "A", "NOERROR", ["10.244.2.2"]),
        ("db-2.db.default.svc.cluster.local", "A", "NXDOMAIN", []),
        ("empty.default.svc.cluster.local", "A", "NXDOMAIN", []),
        ("outside.default.svc.cluster.local", "A", "NOERROR", ["example.org."]),
        ("_http._tcp.web.default.svc.cluster.local", "SRV", "NOERROR", ["0 100 80 web.default.svc.cluster.local."]),
        (
            "_peer._tcp.db.default.svc.cluster.local",
            "SRV",
            "NOERROR",
            [
                "0 50 2380 10-244-2-2.db.default.svc.cluster.local.",
                "0 50 2380 db-0.db.default.svc.cluster.local.",
            ],
        ),
        ("_none._tcp.web.default.svc.cluster.local", "SRV", "NXDOMAIN", []),
        ("missing.default.svc.cluster.local", "A", "NXDOMAIN", []),
        ("default.svc.cluster.local", "A", "NOERROR", []),
        ("nowhere.svc.cluster.local", "A", "NXDOMAIN", []),
        ("example.org.default.svc.cluster.local", "A", "NXDOMAIN", []),
        ("example.org.cluster.local", "A", "NXDOMAIN", []),
        ("10-244-9-9.default.pod.cluster.local", "A", "NOERROR", ["10.244.9.9"]),
        ("192-0-2-1.default.pod.cluster.local", "A", "NXDOMAIN", []),
        ("20.0.96.10.in-addr.arpa", "PTR", "NOERROR", ["web.default.svc.cluster.local."]),
        ("2.1.244.10.in-addr.arpa", "PTR", "NOERROR", ["db-0.db.default.svc.cluster.local."]),
        ("99.1.244.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
        ("dns-version.cluster.local", "TXT", "NOERROR", ['"1.1.0"']),
    ],
)
def test_names(zone: Zone, name: str, kind: str, code: str, answers: list[str]) -> None:
    assert ask(zone, name, kind) == (code, answers)


def test_a_no_says_how_long_it_may_be_remembered(zone: Zone) -> None:
    reply = zone.answer(DNSRecord.question("missing.default.svc.cluster.local"))
    assert [QTYPE.get(record.rtype) for record in reply.auth] == ["SOA"]


@pytest.mark.parametrize(
    ("name", "mine"),
    [
        ("web.default.svc.cluster.local", True),
        ("cluster.local", True),
        ("notcluster.local", False),
        ("example.org", False),
        ("5.0.244.10.in-addr.arpa", True),
        ("5.0.168.192.in-addr.arpa", False),
    ],
)
def test_what_is_answered_here(zone: Zone, name: str, mine: bool) -> None:
    assert zone.is_mine(name) is mine


def test_before_the_api_was_heard_nobody_is_told_that_a_name_does_not_exist() -> None:
    client = ApiClient("https://127.0.0.1:1")
    zone = Zone(Informer(client, SERVICES), Informer(client, ENDPOINT_SLICES), domain="cluster.local", networks=[])
    assert ask(zone, "web.default.svc.cluster.local") == ("SERVFAIL", [])


def test_strangers_are_refused_and_rubbish_is_ignored(zone: Zone) -> None:
    server = DnsServer(zone, upstream=list, networks=["10.244.0.0/16"], machines=lambda: {"192.0.2.11"})
    question = DNSRecord.question("web.default.svc.cluster.local").pack()
    for client, code in (("10.244.1.1", "NOERROR"), ("192.0.2.11", "NOERROR"), ("198.51.100.1", "REFUSED")):
        reply = server.answer_now(question, client, tcp=False)
        assert isinstance(reply, bytes)
        assert RCODE.get(DNSRecord.parse(reply).header.rcode) == code
    assert server.answer_now(b"\x00\x01rubbish", "10.244.1.1", tcp=False) is None


def test_a_long_answer_is_cut_for_udp_and_whole_for_tcp(zone: Zone) -> None:
    many = slice_of("db", *({"addresses": [f"10.244.3.{i}"], "conditions": {"ready": True}} for i in range(1, 120)))
    fill(zone._slices, [many])
    question = DNSRecord.question("db.default.svc.cluster.local")
    whole = _pack(question, zone.answer(question), tcp=True)
    cut = _pack(question, zone.answer(question), tcp=False)
    assert len(DNSRecord.parse(whole).rr) == 119
    assert len(cut) <= 512 and DNSRecord.parse(cut).header.tc == 1
