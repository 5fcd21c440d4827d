"""The ledger's transactions lead from any state to any other: checked against a small model of the kernel's table."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from kprov.kube.proxy.conntrack import Flow, commands
from kprov.kube.proxy.elements import Contribution, contribution
from kprov.kube.proxy.ledger import Ledger
from kprov.kube.proxy.service_ports import Endpoint, ServicePort
from kprov.kube.proxy.transaction import merged


class Table:
    """Carries out the commands that touch elements and chains, and complains as the kernel would."""

    def __init__(self) -> None:
        self.elements: dict[tuple[str, str], str] = {}
        self.chains: dict[str, list[str]] = {}
        self.sets: set[str] = set()

    def run(self, commands: str) -> None:
        for command in commands.splitlines():
            verb, what, rest = re.fullmatch(r"(\w+) (\w+) ip kube-proxy (.*)", command).groups()  # type: ignore[union-attr]
            name, _, tail = rest.partition(" ")
            if what == "element":
                for entry in tail.strip("{ }").split(", "):
                    key, _, value = entry.partition(" : ")
                    if verb == "add":
                        assert (name, key) not in self.elements, f"File exists: {name} {key}"
                        self.elements[name, key] = value
                    else:
                        del self.elements[name, key]
            elif what == "chain" and verb == "add":
                self.chains.setdefault(name, [])
            elif what == "chain" and verb == "flush":
                self.chains[name].clear()
            elif what == "chain":
                del self.chains[name]
            elif what == "rule":
                self.chains[name].append(tail)
            elif what == "set" and verb == "add":
                self.sets.add(name)
            else:
                self.sets.remove(name)


endpoints = st.lists(
    st.builds(Endpoint, st.sampled_from([f"10.244.0.{i}" for i in range(1, 6)]), st.just(8080), st.booleans()),
    max_size=4,
    unique_by=lambda e: e.address,
).map(lambda found: tuple(sorted(found)))


@st.composite
def shares(draw: st.DrawFn, name: str) -> Contribution:
    chosen = draw(endpoints)
    port = ServicePort(
        namespace="default",
        name=name,
        port_name="",
        protocol=draw(st.sampled_from(["tcp", "udp"])),
        port=80,
        cluster_addresses=(f"10.96.0.{ord(name)}",),
        node_port=draw(st.sampled_from([0, 30000 + ord(name)])),
        affinity_seconds=draw(st.sampled_from([0, 10])),
        external_local=draw(st.booleans()),
        endpoints=chosen,
        local_endpoints=tuple(e for e in chosen if e.local),
    )
    return contribution([port])


steps = st.lists(
    st.fixed_dictionaries({}, optional={n: st.one_of(st.none(), shares(n)) for n in "abc"}), min_size=1, max_size=6
)


@given(steps)
def test_the_table_holds_what_the_services_ask_for_after_every_step(
    history: list[dict[str, Contribution | None]],
) -> None:
    ledger, table, wanted = Ledger(), Table(), dict[str, Contribution]()
    for changed in history:
        staged = ledger.stage(changed)
        table.run(staged.commands)
        ledger.record(staged)
        for key, share in changed.items():
            wanted.pop(key, None)
            if share is not None:
                wanted[key] = share
        state = merged(wanted.values())
        assert table.elements == state.elements
        assert table.sets == set(state.client_sets)
        for name, rules in state.chains.items():
            assert table.chains[name] == list(rules)
        left = {name for name in table.chains if name.startswith("affinity-")}
        assert left == {name for name in state.chains if name.startswith("affinity-")}


def dns_service(protocol: str, *addresses: str) -> Contribution:
    chosen = tuple(Endpoint(address, 53) for address in addresses)
    port = ServicePort("kube-system", "dns", "", protocol, 53, ("10.96.0.10",), node_port=30053, endpoints=chosen)
    return contribution([port])


def test_udp_flows_to_an_endpoint_that_left_are_forgotten() -> None:
    ledger = Ledger()
    first = ledger.stage({"dns": dns_service("udp", "10.244.0.1", "10.244.0.2")})
    assert first.departed == [Flow("udp", "10.96.0.10", 53, None), Flow("udp", "", 30053, None)]
    ledger.record(first)
    second = ledger.stage({"dns": dns_service("udp", "10.244.0.2")})
    assert [" ".join(command) for command in commands(second.departed)] == [
        "conntrack -D -p udp --orig-port-dst 53 --orig-dst 10.96.0.10 --dst-nat 10.244.0.1",
        "conntrack -D -p udp --orig-port-dst 30053 --dst-nat 10.244.0.1",
    ]


def test_unanswered_tcp_connections_to_an_endpoint_that_left_are_forgotten_by_one_command() -> None:
    ledger = Ledger()
    first = ledger.stage({"dns": dns_service("tcp", "10.244.0.1", "10.244.0.2")})
    assert not commands(first.departed)
    ledger.record(first)
    second = ledger.stage({"dns": dns_service("tcp", "10.244.0.2")})
    assert [" ".join(command) for command in commands(second.departed)] == [
        "conntrack -D -p tcp --state SYN_SENT --dst-nat 10.244.0.1 --reply-port-src 53"
    ]


def test_sctp_is_left_to_its_own_heartbeats() -> None:
    assert commands([Flow("sctp", "10.96.0.10", 53, Endpoint("10.244.0.1", 53))]) == []


def test_nothing_changed_is_no_transaction() -> None:
    ledger = Ledger()
    ledger.record(ledger.stage({"dns": dns_service("udp", "10.244.0.1")}))
    assert ledger.stage({"dns": dns_service("udp", "10.244.0.1")}).commands == ""
