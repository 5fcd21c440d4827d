"""Answers questions about the cluster's domain from what the API said last."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable
from typing import Any

from dnslib import CNAME, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSRecord

from kprov.kube.api.informer import Informer
from kprov.kube.dns.names import (
    SERVICE_NAME_LABEL,
    Endpoint,
    cluster_addresses,
    dashed,
    endpoints_of,
    is_headless,
    undashed,
)

Object = dict[str, Any]

TTL = 5  # seconds, as CoreDNS answers for Kubernetes: endpoints come and go
SPECIFICATION = "1.1.0"
_BY_SERVICE = "service"
_BY_ADDRESS = "address"
_BY_NAMESPACE = "namespace"


class NotReady(Exception):
    """The API has not been heard yet: nobody knows which names there are."""


class NoSuchName(Exception):
    """The name does not exist (NXDOMAIN); one without records of the type asked for gets an empty answer."""


def _service_key(piece: Object) -> list[str]:
    metadata = piece["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return [f"{metadata['namespace']}/{name}"] if name else []


def _endpoint_addresses(piece: Object) -> list[str]:
    return [address for entry in piece.get("endpoints") or () for address in entry.get("addresses") or ()]


class Zone:
    """The cluster's domain and the reverse names of its addresses.

    Args:
        services, slices: informers of all Services and EndpointSlices.
        domain: the cluster's domain, as ``cluster.local``.
        networks: the networks of pods and Services, whose reverse names are answered here alone.
    """

    def __init__(self, services: Informer, slices: Informer, *, domain: str, networks: Iterable[str]) -> None:
        self._services, self._slices = services, slices
        self.domain = domain.strip(".").lower()
        self._labels = self.domain.split(".")[::-1]
        self._networks = [ipaddress.IPv4Network(network) for network in networks]
        services.add_index(_BY_ADDRESS, cluster_addresses)
        services.add_index(_BY_NAMESPACE, lambda service: [service["metadata"]["namespace"]])
        slices.add_index(_BY_SERVICE, _service_key)
        slices.add_index(_BY_ADDRESS, _endpoint_addresses)

    def is_mine(self, name: str) -> bool:
        """Whether a name (lower case, without the last dot) is answered here, and nowhere else."""
        if name == self.domain or name.endswith("." + self.domain):
            return True
        address = _reverse_address(name)
        return bool(address) and any(ipaddress.IPv4Address(address) in network for network in self._networks)

    def answer(self, request: DNSRecord) -> DNSRecord:
        """The reply to a question about one of this zone's names."""
        reply = request.reply(ra=1, aa=1)
        name = str(request.q.qname).rstrip(".").lower()
        kind = QTYPE.get(request.q.qtype)
        try:
            if not (self._services.synced and self._slices.synced):
                raise NotReady
            for record in self._records(name, kind):
                reply.add_answer(record)
        except NotReady:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        except NoSuchName:
            reply.header.rcode = RCODE.NXDOMAIN
        if not reply.rr:
            reply.add_auth(self._authority())
        return reply

    def _authority(self) -> RR:
        times = (1, 7200, 1800, 86400, TTL)  # serial, refresh, retry, expire, and how long a "no" may be remembered
        rdata = SOA(f"ns.dns.{self.domain}", f"hostmaster.{self.domain}", times)
        return RR(self.domain, QTYPE.SOA, rdata=rdata, ttl=TTL)

    def _records(self, name: str, kind: str) -> list[RR]:
        if name.endswith(".in-addr.arpa"):
            return self._reverse(name, kind)
        labels = name.split(".")[::-1][len(self._labels) :]  # outermost first: svc, namespace, service, ...
        if not labels:
            return [self._authority()] if kind in ("SOA", "ANY") else []
        if labels == ["dns-version"]:
            return [RR(name, QTYPE.TXT, rdata=TXT(SPECIFICATION), ttl=TTL)] if kind in ("TXT", "ANY") else []
        if labels[0] == "pod":
            return self._pod(name, labels, kind)
        if labels[0] != "svc":
            raise NoSuchName(name)
        return self._service(name, labels[1:], kind)

    def _pod(self, name: str, labels: list[str], kind: str) -> list[RR]:
        """``1-2-3-4.namespace.pod``: the address is in the name; it must be one that pods can have."""
        if len(labels) < 3:
            return []
        address = undashed(labels[2]) if len(labels) == 3 else ""
        if not address or not any(ipaddress.IPv4Address(address) in network for network in self._networks):
            raise NoSuchName(name)
        return _addresses(name, [address], kind)

    def _service(self, name: str, labels: list[str], kind: str) -> list[RR]:
        if len(labels) < 2:  # the domain of all Services, or of a namespace's: they exist and have no records
            if labels and not self._services.by_index(_BY_NAMESPACE, labels[0]):
                raise NoSuchName(name)
            return []
        key = f"{labels[0]}/{labels[1]}"
        service = self._services.get(key)
        if service is None:
            raise NoSuchName(name)
        if service["spec"].get("type") == "ExternalName":
            if len(labels) > 2:
                raise NoSuchName(name)
            target = service["spec"].get("externalName") or ""
            return [RR(name, QTYPE.CNAME, rdata=CNAME(target), ttl=TTL)]
        below = labels[2:]
        endpoints = list(endpoints_of(self._slices.by_index(_BY_SERVICE, key))) if is_headless(service) else []
        if not below:
            if is_headless(service):
                if not endpoints:
                    raise NoSuchName(name)
                return _addresses(name, [endpoint.address for endpoint in endpoints], kind)
            return _addresses(name, cluster_addresses(service), kind)
        if below[0].startswith("_"):
            return self._service_ports(name, service, endpoints, below, kind)
        if len(below) == 1 and is_headless(service):
            found = [endpoint.address for endpoint in endpoints if endpoint.hostname == below[0]]
            if found:
                return _addresses(name, found, kind)
        raise NoSuchName(name)

    def _service_ports(
        self, name: str, service: Object, endpoints: list[Endpoint], below: list[str], kind: str
    ) -> list[RR]:
        """``_port._protocol.service...``: SRV records."""
        protocol = below[0][1:]
        wanted = below[1][1:] if len(below) == 2 and below[1].startswith("_") else None
        base = ".".join((service["metadata"]["name"], service["metadata"]["namespace"], "svc", self.domain))
        found: list[tuple[str, int]] = []
        if is_headless(service):
            for endpoint in endpoints:
                for port_name, port_protocol, number in endpoint.ports:
                    if port_protocol == protocol and (wanted is None or (wanted and port_name == wanted)):
                        found.append((f"{endpoint.hostname}.{base}", number))
        else:
            for entry in service["spec"].get("ports") or ():
                same = (entry.get("protocol") or "TCP").lower() == protocol
                if same and (wanted is None or (wanted and entry.get("name") == wanted)):
                    found.append((base, entry["port"]))
        if len(below) > 2 or not found:
            raise NoSuchName(name)
        if kind not in ("SRV", "ANY") or wanted is None:
            return []
        weight = max(1, 100 // len(found))
        return [RR(name, QTYPE.SRV, rdata=SRV(0, weight, port, host), ttl=TTL) for host, port in dict.fromkeys(found)]

    def _reverse(self, name: str, kind: str) -> list[RR]:
        address = _reverse_address(name)
        targets = [_service_name(service, self.domain) for service in self._services.by_index(_BY_ADDRESS, address)]
        for piece in self._slices.by_index(_BY_ADDRESS, address):
            for key in _service_key(piece):
                service = self._services.get(key)
                if service is None:
                    continue
                for endpoint in endpoints_of([piece]):
                    if endpoint.address == address:
                        hostname = endpoint.hostname or dashed(address)
                        targets.append(f"{hostname}.{_service_name(service, self.domain)}")
        if not targets:
            raise NoSuchName(name)
        if kind not in ("PTR", "ANY"):
            return []
        return [RR(name, QTYPE.PTR, rdata=PTR(target), ttl=TTL) for target in dict.fromkeys(targets)]


def _service_name(service: Object, domain: str) -> str:
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{domain}"


def _reverse_address(name: str) -> str:
    """The address that a reverse name spells in full; "" for another name, or for a part of one."""
    if not name.endswith(".in-addr.arpa"):
        return ""
    labels = name.removesuffix(".in-addr.arpa").split(".")
    return undashed("-".join(labels[::-1])) if len(labels) == 4 else ""


def _addresses(name: str, found: list[str], kind: str) -> list[RR]:
    if kind not in ("A", "ANY"):
        return []
    chosen = list(dict.fromkeys(found))
    random.shuffle(chosen)  # many clients take the first: spread them
    return [RR(name, QTYPE.A, rdata=A(address), ttl=TTL) for address in chosen]
