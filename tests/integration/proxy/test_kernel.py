"""The proxy's transactions against the kernel's real nftables, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PODS = """
import socket, subprocess, sys, threading

def serve(address):
    listener = socket.create_server((address, 8080))
    def loop():
        while True:
            peer, _ = listener.accept()
            peer.sendall(address.encode())
            peer.close()
    threading.Thread(target=loop, daemon=True).start()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((address, 8080))
    def echo():
        while True:
            _, peer = datagrams.recvfrom(100)
            datagrams.sendto(address.encode(), peer)
    threading.Thread(target=echo, daemon=True).start()

print("in a namespace", flush=True)
sys.stdin.readline()
subprocess.run(["ip", "link", "set", "eth0", "up"], check=True)
for address in ("10.244.0.2", "10.244.0.3"):
    subprocess.run(["ip", "address", "add", address + "/16", "dev", "eth0"], check=True)
subprocess.run(["ip", "route", "add", "default", "dev", "eth0"], check=True)
for address in ("10.244.0.2", "10.244.0.3"):
    serve(address)
print("serving", flush=True)
sys.stdin.read()  # until the test's other half ends
"""

SCRIPT = (
    f"PODS = {PODS!r}\n"
    + """
import asyncio, random, socket, subprocess, sys
from kprov.kube.proxy import conntrack
from kprov.kube.proxy.elements import contribution
from kprov.kube.proxy.ledger import Ledger
from kprov.kube.proxy.libnftables import Nftables, NftablesError
from kprov.kube.proxy.ruleset import static_chains
from kprov.kube.proxy.service_ports import Endpoint, ServicePort
from kprov.kube.proxy.transaction import merged, whole

def run(*words):
    subprocess.run(words, check=True)

# The machine and its pods: two namespaces and a wire.
pods = subprocess.Popen(["unshare", "--net", sys.executable, "-c", PODS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
pods.stdout.readline()
run("ip", "link", "set", "lo", "up")
run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", str(pods.pid))
run("ip", "link", "set", "lan", "up")
run("ip", "address", "add", "192.0.2.1/24", "dev", "lan")
run("ip", "route", "add", "10.244.0.0/16", "dev", "lan")
run("ip", "route", "add", "10.96.0.0/16", "dev", "lan")
pods.stdin.write(b"the wire is there\\n")
pods.stdin.flush()
pods.stdout.readline()
nft, ledger, static = Nftables(), Ledger(), static_chains("10.244.0.0/16")

def ask(address, port):
    with socket.create_connection((address, port), timeout=5) as peer:
        return peer.recv(100).decode()

def service(name, addresses, **more):
    chosen = tuple(Endpoint(a, 8080, a.endswith("2")) for a in addresses)
    values = dict(endpoints=chosen, local_endpoints=tuple(e for e in chosen if e.local), protocol="tcp")
    return contribution([ServicePort("default", name, "", port=80,
        cluster_addresses=(f"10.96.0.{ord(name)}",), **(values | more))])

def change(**shares):
    staged = ledger.stage(shares)
    if staged.commands:
        nft.run(staged.commands)
    ledger.record(staged)
    asyncio.run(conntrack.forget(staged.departed))

def existing():
    import json
    listing = json.loads(nft.listing("list table ip kube-proxy"))["nftables"]
    return {i["chain"]["name"] for i in listing if "chain" in i}, {i["set"]["name"] for i in listing if "set" in i}

def restart():
    nft.run(whole(ledger.state(), static, *existing()))
    ledger.reset(ledger.contributions)

def ask_udp(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.connect((address, port))
        peer.send(b"who is there?")
        return peer.recv(100).decode()

nft.run(whole(merged([]), static, set(), set()))
both = ["10.244.0.2", "10.244.0.3"]
change(a=service("a", both))
assert {ask("10.96.0.97", 80) for _ in range(40)} == set(both), "traffic is spread"
# The first balancer of a transaction, one that comes later, and one that is shared with TCP.
change(u=service("u", both[:1], protocol="udp"))
assert ask_udp("10.96.0.117", 80) == both[0], "UDP is served by the first rule of a transaction"
change(u=service("u", both, protocol="udp"))
assert {ask_udp("10.96.0.117", 80) for _ in range(40)} == set(both), "UDP is served beside TCP"
restart()
assert {ask_udp("10.96.0.117", 80) for _ in range(40)} == set(both), "UDP is served after a restart"
change(u=None)
change(a=service("a", both[:1]))
assert {ask("10.96.0.97", 80) for _ in range(10)} == {both[0]}, "an endpoint that left gets nothing"
# A client's port that comes again soon: nobody answered its first connection, and the kernel remembers where that went.
change(a=service("a", ["10.244.0.9"]))
def from_one_port():
    return socket.create_connection(("10.96.0.97", 80), timeout=0.5, source_address=("192.0.2.1", 40000))
try:
    from_one_port()
    raise SystemExit("nobody is there who could answer")
except OSError:
    pass
change(a=service("a", both[:1]))
with from_one_port() as peer:
    assert peer.recv(100).decode() == both[0], "an unanswered connection is forgotten"
change(a=service("a", []))
try:
    ask("10.96.0.97", 80)
    raise SystemExit("a Service without endpoints must refuse")
except ConnectionRefusedError:
    pass
change(a=service("a", both, affinity_seconds=60))
assert len({ask("10.96.0.97", 80) for _ in range(20)}) == 1, "affinity keeps the endpoint"
before = ask("10.96.0.97", 80)
restart()
assert {ask("10.96.0.97", 80) for _ in range(10)} == {before}, "a restart keeps affinity"
held = socket.create_connection(("10.96.0.97", 80))
restart()
assert held.recv(100).decode() == before, "a restart drops no connection"
change(a=service("a", both, internal_local=True))
assert {ask("10.96.0.97", 80) for _ in range(20)} == {"10.244.0.2"}, "internalTrafficPolicy Local"

random.seed(7)
for _ in range(150):
    name = random.choice("abcd")
    if random.random() < 0.2:
        change(**{name: None})
    else:
        change(**{name: service(name, random.sample([f"10.244.0.{i}" for i in range(2, 8)], random.randrange(5)),
            node_port=random.choice([0, 30000 + ord(name)]), affinity_seconds=random.choice([0, 30]),
            external_local=random.random() < 0.5, protocol=random.choice(["tcp", "udp"]))})
restart()
change(**{name: None for name in "abcd"})
nft.run(whole(merged([]), static, *existing()))
chains, sets = existing()
assert chains == set(static), chains - set(static)
pods.stdin.close()
pods.wait()
print("all of it")
"""
)


@pytest.mark.usefixtures("root")
def test_services_work_and_every_transition_is_accepted() -> None:
    """A new network namespace ends with its process: nothing of it stays on the machine."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "all of it" in done.stdout, done.stdout + done.stderr
