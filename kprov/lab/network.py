"""The lab's network: one bridge of the host, fenced off from everything outside."""

from __future__ import annotations

import hashlib
import json
import subprocess

from kprov.lab.errors import LabError
from kprov.lab.layout import Layout


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _links() -> dict[str, dict[str, object]]:
    return {row["ifname"]: row for row in json.loads(_run("ip", "-json", "link", "show") or "[]")}


def _table(layout: Layout) -> str:
    return f"kprov_lab_{layout.name.replace('-', '_')}"


def _hardware_address(layout: Layout) -> str:
    """The bridge's own, locally administered: left to itself it changes with the cables that are plugged in."""
    digits = hashlib.sha256(layout.bridge.encode()).hexdigest()
    return ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))])


def raise_bridge(layout: Layout) -> None:
    """Make the bridge, its address and its fence, whatever of them is there already.

    The fence holds also where the host forwards packets for others; refusing at once spares the machines time-outs. It
    looks at what is sent to the host itself: what machines send each other crosses the bridge, pods' packets among it,
    and kernels with br_netfilter show that to the host's rules too.
    """
    refuse_taken_subnet(layout)
    if layout.bridge not in _links():
        _run("ip", "link", "add", layout.bridge, "type", "bridge")
    own = _hardware_address(layout)
    _run("ip", "link", "set", layout.bridge, "address", own)
    _run("ip", "address", "replace", f"{layout.gateway}/{layout.prefix_length}", "dev", layout.bridge)
    _run("ip", "link", "set", layout.bridge, "up")
    table = _table(layout)
    fence = f"""
        table inet {table}
        delete table inet {table}
        table inet {table} {{
            chain fence {{
                type filter hook prerouting priority filter; policy accept;
                iifname "{layout.bridge}" ether daddr {own} ip daddr != {layout.subnet} fib daddr type unicast reject
                iifname "{layout.bridge}" ether daddr {own} ip6 daddr != fe80::/10 fib daddr type unicast reject
            }}
        }}
    """
    _run("nft", "-f", "-", text=fence)


def refuse_taken_subnet(layout: Layout) -> None:
    """Whether a lab can have its addresses. Raises LabError: somebody else has them."""
    if layout.bridge in _links():
        return
    taken = json.loads(_run("ip", "-json", "route", "show", "root", layout.subnet) or "[]")
    if taken:
        raise LabError(
            f"subnet {layout.subnet} is in use on this host (route to {taken[0].get('dst')} by {taken[0].get('dev')});"
            " choose another with --subnet"
        )


def remove_bridge(layout: Layout) -> None:
    """Remove the bridge, the cables that still hang on it, and the fence."""
    links = _links()
    for name, row in links.items():
        if row.get("master") == layout.bridge:
            _run("ip", "link", "delete", name)
    if layout.bridge in links:
        _run("ip", "link", "delete", layout.bridge)
    if f"table inet {_table(layout)}" in _run("nft", "list", "tables").splitlines():
        _run("nft", "delete", "table", "inet", _table(layout))


def remove_cable(layout: Layout, name: str) -> None:
    """Remove a dead machine's cable now: the kernel frees its network namespace some time later."""
    link = layout.host_link(name)
    if link in _links():
        subprocess.run(["ip", "link", "delete", link], capture_output=True)
        if link in _links():
            raise LabError(f"cannot remove the link {link}; see: ip link show {link}")


def plug(layout: Layout, name: str, *, connected: bool) -> None:
    """Pull or plug a machine's network cable, at the host's end: its own end stays as it is, as with a dead switch."""
    link = layout.host_link(name)
    if link not in _links():
        raise LabError(f"machine {name} is off, so it has no cable; start it with: kprov lab start {name}")
    _run("ip", "link", "set", link, "up" if connected else "down")
