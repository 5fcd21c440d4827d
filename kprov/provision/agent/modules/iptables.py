"""iptables: a rule of the kernel's packet filter, a chain, or a chain's policy; they last until the machine restarts.

Parameters:
    table: the table.
    state: whether the rule is there; without a rule: whether the chain is.
    action: where a new rule goes: at the chain's end, or at `rule_num`.
    rule_num: the place of a rule that is inserted.
    ip_version: whose packets.
    chain: the chain.
    protocol: tcp, udp, icmp, ...; like most values below, `!` before it means all but this.
    source: the sender's address.
    destination: the receiver's address.
    match: extensions that look at packets.
    tcp_flags: `flags` that are looked at, and `flags_set`: those of them that must be set.
    jump: what becomes of a packet that matches.
    goto: the chain that it goes on in.
    gateway: where TEE sends a copy.
    log_prefix: the beginning of LOG's lines; implies `jump: LOG`.
    log_level: the level of LOG's lines; implies `jump: LOG`.
    to_source: the address that SNAT gives the sender.
    to_destination: the address that DNAT gives the receiver.
    to_ports: the ports that REDIRECT and MASQUERADE give it.
    in_interface: the interface that it comes from.
    out_interface: the interface that it leaves by.
    fragment: only later parts of packets that were cut.
    set_counters: the rule's first counters.
    source_port: the sender's port, or first:last.
    destination_port: the receiver's port, or first:last.
    destination_ports: several of them.
    set_dscp_mark: the mark that DSCP gives.
    set_dscp_mark_class: the same, by its class.
    comment: words that are kept with the rule.
    ctstate: states of connections.
    src_range: addresses of senders, first-last.
    dst_range: addresses of receivers, first-last.
    match_set: a set of addresses.
    match_set_flags: what of the packet is looked for in it.
    limit: how many packets match in a time, such as 5/minute.
    limit_burst: how many more at first.
    uid_owner: the user whose program sends.
    gid_owner: the group whose program sends.
    reject_with: the answer that REJECT gives; implies `jump: REJECT`.
    icmp_type: the kind of ICMP.
    syn: packets that open a connection, or those that don't.
    flush: take all rules out of the chain, or of the table.
    policy: what becomes of packets that no rule matches.
    chain_management: chains are made and removed.
    numeric: addresses are shown as numbers.
    wait: seconds to wait for others who change rules; without it for as long as it takes.

Returns:
    rule: the rule, as iptables takes it.
    chain: the chain.
    table: the table.
"""

from __future__ import annotations

import re
from typing import Any

from kprov.provision.agent import diffs
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed
from kprov.provision.agent.parameters import Parameter

_LEVELS = (
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "emerg",
    "alert",
    "crit",
    "error",
    "warning",
    "notice",
    "info",
    "debug",
)
_WORDS = (
    "rule_num", "protocol", "source", "to_source", "destination", "to_destination", "jump", "gateway", "log_prefix",
    "goto", "in_interface", "out_interface", "fragment", "set_counters", "source_port", "destination_port", "to_ports",
    "set_dscp_mark", "set_dscp_mark_class", "comment", "src_range", "dst_range", "match_set", "limit", "limit_burst",
    "uid_owner", "gid_owner", "reject_with", "icmp_type", "wait",
)  # fmt: skip
PARAMETERS = {
    "table": Parameter("str", default="filter", choices=("filter", "nat", "mangle", "raw", "security")),
    "state": Parameter("str", default="present", choices=("absent", "present")),
    "action": Parameter("str", default="append", choices=("append", "insert")),
    "ip_version": Parameter("str", default="ipv4", choices=("ipv4", "ipv6", "both")),
    "chain": Parameter("str"),
    **{name: Parameter("str") for name in _WORDS},
    "match": Parameter("list", elements="str", default=[]),
    "destination_ports": Parameter("list", elements="str", default=[]),
    "ctstate": Parameter("list", elements="str", default=[]),
    "tcp_flags": Parameter("dict"),
    "log_level": Parameter("str", choices=_LEVELS),
    "match_set_flags": Parameter("str", choices=("src", "dst", "src,dst", "dst,src", "src,src", "dst,dst")),
    "syn": Parameter("str", default="ignore", choices=("ignore", "match", "negate")),
    "flush": Parameter("bool", default=False),
    "policy": Parameter("str", choices=("ACCEPT", "DROP", "QUEUE", "RETURN")),
    "chain_management": Parameter("bool", default=False),
    "numeric": Parameter("bool", default=False),
}
MUTUALLY_EXCLUSIVE = [("set_dscp_mark", "set_dscp_mark_class"), ("flush", "policy")]
REQUIRED_IF = [("flush", False, ("chain",)), ("jump", "TEE", ("gateway",)), ("jump", "tee", ("gateway",))]
REQUIRED_BY = {"set_dscp_mark": ("jump",), "set_dscp_mark_class": ("jump",)}


def _option(words: list[str], flag: str, value: str | None) -> None:
    """A flag with its value; `!` before the value goes before the flag."""
    if value is None:
        return
    if value.startswith("!"):
        words.append("!")
        value = value[1:].strip()
    words += [flag, value]


def _jump(call: Call) -> str | None:
    logs = call["log_prefix"] is not None or call["log_level"] is not None
    if logs and call["jump"] not in (None, "LOG"):
        raise ModuleFailed("log_prefix and log_level go with 'jump: LOG', not with 'jump: %s'" % call["jump"])
    rejects = call["reject_with"] is not None
    return call["jump"] or ("LOG" if logs else "REJECT" if rejects else None)


def rule_of(call: Call, ipv6: bool) -> list[str]:
    """The rule as iptables takes it; none where the task speaks of the chain alone."""
    words: list[str] = []
    matches = list(call["match"])

    def extension(name: str, *options: tuple[str, str | None]) -> None:
        given = [(flag, value) for flag, value in options if value is not None]
        if given and name not in matches:
            words.extend(["-m", name])
        for flag, value in given:
            _option(words, flag, value)

    _option(words, "-p", call["protocol"])
    _option(words, "-s", call["source"])
    _option(words, "-d", call["destination"])
    for name in matches:
        words += ["-m", name]
    flags = call["tcp_flags"]
    if flags:
        if not flags.get("flags") or not flags.get("flags_set"):
            raise ModuleFailed("tcp_flags needs both 'flags' and 'flags_set'")
        words += ["--tcp-flags", ",".join(_listed(flags["flags"])), ",".join(_listed(flags["flags_set"]))]
    _option(words, "-j", _jump(call))
    for name in ("gateway", "log_prefix", "log_level", "to_source", "to_destination"):
        _option(words, "--" + name.replace("_", "-"), call[name])
    _option(words, "-g", call["goto"])
    _option(words, "-i", call["in_interface"])
    _option(words, "-o", call["out_interface"])
    _option(words, "-f", call["fragment"])
    _option(words, "-c", call["set_counters"])
    _option(words, "--source-port", call["source_port"])
    _option(words, "--destination-port", call["destination_port"])
    extension("multiport", ("--dports", ",".join(call["destination_ports"]) or None))
    _option(words, "--to-ports", call["to_ports"])
    _option(words, "--set-dscp", call["set_dscp_mark"])
    _option(words, "--set-dscp-class", call["set_dscp_mark_class"])
    if call["syn"] != "ignore":
        words += ["--syn"] if call["syn"] == "match" else ["!", "--syn"]
    if call["match_set"] is not None:
        extension("set", ("--match-set", call["match_set"]))
        words.append(call["match_set_flags"] or "src")
    states = ",".join(call["ctstate"]) or None
    extension("state", ("--state", states)) if "state" in matches else extension("conntrack", ("--ctstate", states))
    extension("iprange", ("--src-range", call["src_range"]), ("--dst-range", call["dst_range"]))
    extension("limit", ("--limit", call["limit"]), ("--limit-burst", call["limit_burst"]))
    extension("owner", ("--uid-owner", call["uid_owner"]), ("--gid-owner", call["gid_owner"]))
    _option(words, "--reject-with", call["reject_with"])
    _option(words, "--icmpv6-type" if ipv6 else "--icmp-type", call["icmp_type"])
    extension("comment", ("--comment", call["comment"]))
    return words


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else str(value).split(",")


class _Filter:
    """The packet filter of one family of addresses."""

    def __init__(self, call: Call, ipv6: bool) -> None:
        self._call = call
        self._program = "ip6tables" if ipv6 else "iptables"
        self.rule = rule_of(call, ipv6)

    def _command(self, *words: str) -> list[str]:
        wait = ["-w"] if self._call["wait"] is None else ["-w", self._call["wait"]]
        return [self._program, *wait, "-t", self._call["table"], *words]

    def _ask(self, *words: str) -> str | None:
        asked = self._call.run(self._command(*words), succeed=False)
        if asked.rc not in (0, 1):  # with 1 it says no
            raise ModuleFailed("%s cannot do this: %s" % (self._program, asked.words()), rc=asked.rc)
        return asked.stdout if asked.rc == 0 else None

    def due(self) -> list[list[str]]:
        """The commands that bring it to what is wanted."""
        call, chain = self._call, self._call["chain"]
        if call["flush"]:
            rules = self._ask("-S", *([chain] if chain else []))
            if rules is None:
                raise ModuleFailed("%s has no chain %s in table %s" % (self._program, chain, call["table"]))
            there = any(line.startswith("-A ") for line in rules.splitlines())
            return [self._command("-F", *([chain] if chain else []))] if there else []
        if call["policy"]:
            found = re.search(r"^-P \S+ (\S+)", self._ask("-S", chain) or "", re.MULTILINE)
            if found is None:
                raise ModuleFailed(
                    "%s has no chain %s with a policy in table %s" % (self._program, chain, call["table"])
                )
            return [] if found[1] == call["policy"] else [self._command("-P", chain, call["policy"])]
        wanted = call["state"] == "present"
        if not self.rule:
            if (self._ask("-S", chain) is not None) == wanted or not call["chain_management"]:
                return []
            return [self._command("-N" if wanted else "-X", chain)]
        if (self._ask("-C", chain, *self.rule) is not None) == wanted:
            return []
        if not wanted:
            return [self._command("-D", chain, *self.rule)]
        if call["action"] == "append":
            return [self._command("-A", chain, *self.rule)]
        return [self._command("-I", chain, *([call["rule_num"]] if call["rule_num"] else []), *self.rule)]


def run(call: Call) -> dict[str, Any]:
    """Compare, then tell iptables."""
    families = {"ipv4": (False,), "ipv6": (True,), "both": (False, True)}[call["ip_version"]]
    filters = [_Filter(call, ipv6) for ipv6 in families]
    commands = [command for each in filters for command in each.due()]
    if not call.check:
        for command in commands:
            call.run(command)
    changes: list[tuple[str, object, object]] = []
    for command in commands:
        gone = "-D" in command or "-F" in command or "-X" in command
        words = " ".join([command[0], *command[command.index("-t") :]])
        changes.append(("command", words if gone else None, None if gone else words))
    return {
        "changed": bool(commands),
        "rule": " ".join(filters[0].rule),
        "chain": call["chain"],
        "table": call["table"],
        "diff": diffs.values(changes, "chain %s" % (call["chain"] or "*")) if call.diff else "",
    }
