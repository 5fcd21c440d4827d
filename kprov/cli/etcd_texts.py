"""How etcd's state is shown to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kprov.cli.tables import table

if TYPE_CHECKING:
    from kprov.provision.cluster.storage.standing import EtcdState


def size(count: int) -> str:
    """Bytes in a unit that fits: ``704 KiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError


def verdict(state: EtcdState) -> str:
    """One sentence: does it take writes, and what would the next loss cost."""
    if state.has_no_data:
        return f"no machine that answers has data of etcd: {state.way_out}"
    if not state.has_quorum:
        taking_part = f"{state.healthy} of {state.voters} members take part, {state.quorum} are needed"
        return f"NO QUORUM: {taking_part}: {state.way_out}"
    if state.voters == 1:
        loss = "its loss ends it"
    else:
        loss = f"{state.can_lose} more may be lost" if state.can_lose else "the loss of one more ends it"
    return f"{'healthy' if state.is_well else 'works'}: {state.healthy} of {state.voters} members take part; {loss}"


def status_text(state: EtcdState) -> str:
    """The members as a table, then what it means."""
    header = ["HOST", "STATE", "VERSION", "DB SIZE", "IN USE", "REVISION", "RAFT INDEX", "NOTE"]
    rows = [
        [
            member.host,
            member.state,
            member.version or "-",
            size(member.db_size) if member.db_size else "-",
            size(member.db_size_in_use) if member.db_size_in_use else "-",
            str(member.revision or "-"),
            str(member.raft_index or "-"),
            "; ".join([*(f"ALARM {alarm}" for alarm in member.alarms), member.reason]).strip("; "),
        ]
        for member in state.members
    ]
    lines = [table(header, rows), verdict(state)]
    if state.restore_cut_off:
        lines.append(
            f"a restore was cut off on {', '.join(state.restore_cut_off)}: run the same kprov etcd restore again"
        )
    return "\n".join(lines)


def members_text(state: EtcdState) -> str:
    """The members with what identifies them."""
    rows = [
        [member.host, member.id or "-", member.cluster_id or "-", member.state, member.reason]
        for member in state.members
    ]
    return table(["HOST", "MEMBER ID", "CLUSTER ID", "STATE", "NOTE"], rows)
