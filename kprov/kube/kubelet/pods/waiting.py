"""Why containers of a pod wait: for their image, or because they failed and are started again later."""

from __future__ import annotations

from typing import Any

from kprov.kube.kubelet.names import full_name
from kprov.kube.kubelet.pods.host import Host
from kprov.kube.kubelet.pods.records import EXITED, PodRecord
from kprov.kube.kubelet.pods.starter import field_path

Pod = dict[str, Any]


class Waiting:
    """The reasons, by container, as the status shows them.

    Args:
        host: counts the failures of all pods.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.reasons: dict[str, tuple[str, str]] = {}

    def reason(self, container: str) -> str:
        """The reason for which a container waits, or an empty text."""
        return self.reasons.get(container, ("", ""))[0]

    def back_off(self, pod: Pod, record: PodRecord, container: dict[str, Any]) -> float:
        """Seconds that a container which ended must still wait; counts the restart when the wait is over."""
        name, uid = container["name"], pod["metadata"]["uid"]
        current = record.latest(name)
        if current is None or current.state != EXITED:
            return 0
        host, key = self._host, f"{uid}/{name}"
        ended = current.finished_at / 1e9
        if (left := host.backoff.remaining(key, ended)) > 0:
            delay = host.backoff.delay(key)
            text = f"{int(delay // 60)}m{int(delay % 60)}s" if delay >= 60 else f"{int(delay)}s"
            message = f"back-off {text} restarting failed container={name} pod={full_name(pod)}"
            if self.reason(name) != "CrashLoopBackOff":
                words = f"Back-off restarting failed container {name} in pod {full_name(pod)}"
                host.event(pod, "Warning", "BackOff", words, field_path(pod, name))
            self.reasons[name] = ("CrashLoopBackOff", message)
            return left
        host.backoff.raise_delay(key, ended)
        return 0
