"""The DNS server's metrics, under CoreDNS' names: dashboards that know it know this one."""

from __future__ import annotations

import time

from dnslib import QTYPE, RCODE, DNSRecord

from kprov.kube.api.metrics import REGISTRY

REQUESTS = REGISTRY.counter(
    "coredns_dns_requests_total", "Counter of DNS requests made per protocol and type.", ("family", "proto", "type")
)
RESPONSES = REGISTRY.counter("coredns_dns_responses_total", "Counter of response status codes.", ("rcode",))
SECONDS = REGISTRY.histogram(
    "coredns_dns_request_duration_seconds",
    "Histogram of the time (in seconds) each request took.",
    (),
    tuple(0.00025 * 2**step for step in range(16)),
)

# The types that CoreDNS names; whoever asks for others does not choose how many series there are.
_TYPES = frozenset({"A", "AAAA", "MX", "SOA", "CNAME", "PTR", "TXT", "NS", "SRV", "DS", "DNSKEY", "RRSIG", "NSEC",
                    "NSEC3", "HTTPS", "ANY"})  # fmt: skip


def answered(request: DNSRecord, reply: bytes, began: float, *, tcp: bool) -> bytes:
    """Note a question that was answered; ``began`` is a time.monotonic(). Returns the reply."""
    kind = str(QTYPE.get(request.q.qtype))
    REQUESTS.inc("1", "tcp" if tcp else "udp", kind if kind in _TYPES else "other")
    RESPONSES.inc(str(RCODE.get(reply[3] & 0x0F)) if len(reply) > 3 else "malformed")
    SECONDS.observe(time.monotonic() - began)
    return reply
