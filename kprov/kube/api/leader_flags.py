"""The --leader-elect flags, which kube-scheduler and kube-controller-manager share."""

from __future__ import annotations

from kprov.kube.api.flags import FlagSet


def add_leader_flags(flags: FlagSet) -> None:
    """Add the flags of leader election, with upstream's defaults; the lease is named after the daemon."""
    flags.boolean("leader-elect", True, "work only while holding the lease")
    flags.duration("leader-elect-lease-duration", 15.0, "how long others wait before they take the lease")
    flags.duration("leader-elect-renew-deadline", 10.0, "how long the leader tries to renew before it gives up")
    flags.duration("leader-elect-retry-period", 2.0, "the pause between two attempts")
    flags.choice("leader-elect-resource-lock", "leases", ("leases",), "the kind of the lock")
    flags.string("leader-elect-resource-name", flags.component, "the lease's name")
    flags.string("leader-elect-resource-namespace", "kube-system", "the lease's namespace")
