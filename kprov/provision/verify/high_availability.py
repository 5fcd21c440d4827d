"""Proof of high availability: each control-plane machine is lost in turn, and the cluster goes on and heals."""

from __future__ import annotations

from typing import Any

from kprov.provision.inventory import Host, Inventory
from kprov.provision.verify.health import sick
from kprov.provision.verify.power import Harm, harm_of
from kprov.provision.verify.report import CheckFailed, CheckResult
from kprov.provision.verify.session import Session
from kprov.provision.verify.standstill import why_not_running
from kprov.provision.verify.workload import IMAGE, namespace
from kprov.provision.verify.writer import Writer

# The longest time without an acknowledged write: an etcd election, and a client's way to the next API server.
MAXIMUM_GAP_SECONDS = 15.0


def _pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "sleep", "image": IMAGE, "command": ["sleep", "3600"]}],
        },
    }


def _new_pod_runs(session: Session, space: str, name: str) -> float:
    base = f"/api/v1/namespaces/{space}/pods"

    def missing() -> str:
        created = session.api.find({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": space}})
        if created is None:
            session.api.request("POST", base, body=_pod(name))
            return f"the pod {name} was only just created"
        running = created["status"].get("phase") == "Running"
        return "" if running else f"the pod {why_not_running(session.api, created)}"

    return session.wait(missing, "workload")


def _lose(session: Session, host: Host, harm: Harm, space: str, result: CheckResult) -> None:
    with Writer(session.api, space, f"writes-{host.name}") as writer:
        session.wait(lambda: "" if writer.outage.acknowledged >= 5 else "no writes are acknowledged", "service")
        try:
            harm.do()
            result.figures["new_pod_seconds"] = round(_new_pod_runs(session, space, f"during-{host.name}"), 2)
            before = writer.outage.acknowledged
            session.wait(lambda: "" if writer.outage.acknowledged > before + 10 else "writes do not go on", "heal")
        finally:
            harm.undo()

        def missing() -> str:
            if session.engine.state[host.name].state != "connected":
                session.engine.reconnect(host)
            return sick(session)

        result.figures["heal_seconds"] = round(session.wait(missing, "heal", pause=0.5), 2)
    outage = writer.outage
    result.figures |= {
        "write_gap_seconds": round(outage.longest_gap_seconds, 2),
        "writes_acknowledged": outage.acknowledged,
        "writes_failed": outage.failed,
    }
    if lost := writer.lost():
        raise CheckFailed(f"an acknowledged write was lost: {lost}")
    if outage.longest_gap_seconds > MAXIMUM_GAP_SECONDS:
        raise CheckFailed(
            f"no write was taken for {outage.longest_gap_seconds:.1f} s, at most {MAXIMUM_GAP_SECONDS:.0f} s are "
            f"allowed: {'; '.join(outage.errors[:2])}"
        )


def too_small(inventory: Inventory) -> str:
    """Why a cluster of these machines cannot survive the loss of any one of its control plane; "" where it can."""
    machines, members = inventory.group("control_plane"), inventory.group("etcd")
    if len(machines) < 2:
        return "there is one machine of the control plane, and its loss ends the API"
    if len(members) < 3 and {each.name for each in members} & {each.name for each in machines}:
        return f"etcd has {len(members)} member{'s' if len(members) > 1 else ''}, and takes no writes when one is lost"
    return ""


def verify_high_availability(session: Session) -> None:
    """Lose each control-plane machine in turn while a client writes and a new pod is started.

    A machine with power commands in the inventory loses its power; another one its services.
    Before each loss the cluster must be healthy, and whatever happens, the machine is given back. Nothing is taken
    from a cluster of which it is known beforehand that it can't do without.
    """
    if reason := too_small(session.inventory):
        with session.report.check("high availability", "The cluster survives the loss of a control-plane machine"):
            raise CheckFailed(f"not tried: {reason}")
        return
    with namespace(session) as space:
        for host in session.inventory.group("control_plane"):
            harm = harm_of(session.engine, host)
            with session.report.check("high availability", f"The cluster survives the {harm.description}") as result:
                try:
                    session.wait(lambda: sick(session), "ready")
                except CheckFailed as error:
                    raise CheckFailed(f"not tried, since the cluster is not healthy: {error}") from None
                session.tell(f"{harm.description} ...")
                _lose(session, host, harm, space, result)
                gap, heal = result.figures["write_gap_seconds"], result.figures["heal_seconds"]
                result.message = f"writes paused {gap} s, healed after {heal} s"
