"""What runs of one pod, as read from the runtime: sandboxes and containers, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kprov.kube.kubelet import names
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure

CREATED, RUNNING, EXITED, UNKNOWN = (
    pb.CONTAINER_CREATED,
    pb.CONTAINER_RUNNING,
    pb.CONTAINER_EXITED,
    pb.CONTAINER_UNKNOWN,
)

MESSAGE_LIMIT = 4096
FALLBACK_LIMIT, FALLBACK_LINES = 2048, 80


@dataclass(slots=True)
class ContainerRecord:
    """One container that the runtime knows."""

    id: str
    name: str
    sandbox: str
    state: int
    restarts: int
    hash: str
    image: str = ""
    image_ref: str = ""
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""
    pre_stop: str = ""

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.state == RUNNING


@dataclass(slots=True)
class SandboxRecord:
    """One sandbox that the runtime knows."""

    id: str
    attempt: int
    created_at: int
    ready: bool
    host_network: bool = False
    addresses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PodRecord:
    """All of a pod in the runtime."""

    uid: str
    name: str = ""
    namespace: str = ""
    sandboxes: list[SandboxRecord] = field(default_factory=list)
    containers: list[ContainerRecord] = field(default_factory=list)

    def latest(self, name: str) -> ContainerRecord | None:
        """The newest container of that name."""
        return next((each for each in self.containers if each.name == name), None)

    def previous(self, name: str) -> ContainerRecord | None:
        """The one before the newest."""
        mine = [each for each in self.containers if each.name == name]
        return mine[1] if len(mine) > 1 else None

    @property
    def sandbox(self) -> SandboxRecord | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def running(self) -> list[ContainerRecord]:
        """The containers whose processes live (or may live)."""
        return [each for each in self.containers if each.state in (RUNNING, UNKNOWN)]


class PodReader:
    """Reads pods from the runtime; what cannot change any more (an exited container) is asked for once."""

    def __init__(self, runtime: Runtime) -> None:
        """``runtime`` is asked."""
        self._runtime = runtime
        self._statuses: dict[str, tuple[int, ContainerRecord]] = {}
        self._addresses: dict[str, SandboxRecord] = {}

    async def read(self, uid: str) -> PodRecord:
        """The pod's record; raises RuntimeFailure."""
        record = PodRecord(uid)
        for sandbox in await self._runtime.sandboxes(uid):
            record.name, record.namespace = sandbox.metadata.name, sandbox.metadata.namespace
            record.sandboxes.append(await self._sandbox(sandbox))
        for container in await self._runtime.containers(uid):
            if (found := await self._container(container)) is not None:
                record.containers.append(found)
        record.sandboxes.sort(key=lambda each: each.created_at, reverse=True)
        record.containers.sort(key=lambda each: (each.restarts, each.created_at), reverse=True)
        return record

    async def _sandbox(self, sandbox: pb.PodSandbox) -> SandboxRecord:
        ready = sandbox.state == pb.SANDBOX_READY
        known = self._addresses.get(sandbox.id)
        if known is None or known.ready != ready:
            known = SandboxRecord(sandbox.id, sandbox.metadata.attempt, sandbox.created_at, ready)
            try:
                status = await self._runtime.sandbox_status(sandbox.id)
            except RuntimeFailure as failure:
                if failure.not_found:
                    return known
                raise
            known.host_network = status.linux.namespaces.options.network == pb.NODE
            known.addresses = [
                ip for ip in (status.network.ip, *(each.ip for each in status.network.additional_ips)) if ip
            ]
            self._addresses[sandbox.id] = known
        return known

    async def _container(self, container: pb.Container) -> ContainerRecord | None:
        known = self._statuses.get(container.id)
        if known and known[0] == container.state:
            return known[1]
        try:
            status = await self._runtime.container_status(container.id)
        except RuntimeFailure as failure:
            if failure.not_found:
                return None
            raise
        found = _record(container, status)
        self._statuses[container.id] = (container.state, found)
        return found

    def forget(self, record: PodRecord) -> None:
        """Drop what is remembered of a pod that is gone."""
        for container in record.containers:
            self._statuses.pop(container.id, None)
        for sandbox in record.sandboxes:
            self._addresses.pop(sandbox.id, None)


def _record(container: pb.Container, status: pb.ContainerStatus) -> ContainerRecord:
    notes = status.annotations
    count = notes.get(names.CONTAINER_RESTART_COUNT, "")
    record = ContainerRecord(
        id=status.id,
        name=status.metadata.name,
        sandbox=container.pod_sandbox_id,
        state=status.state,
        restarts=int(count) if count.isdigit() else status.metadata.attempt,
        hash=notes.get(names.CONTAINER_HASH, ""),
        image=status.image.image,
        image_ref=status.image_ref,
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        log_path=status.log_path,
        pre_stop=notes.get(names.PRE_STOP_HANDLER, ""),
    )
    if record.state == EXITED:
        record.message = record.message or _termination_message(status)
    return record


def _termination_message(status: pb.ContainerStatus) -> str:
    """What the container left in its termination message file, or its last log lines where the policy says so."""
    path = status.annotations.get(names.TERMINATION_MESSAGE_PATH, "")
    text = b""
    for mount in status.mounts:
        if path and mount.container_path == path:
            try:
                with Path(mount.host_path).open("rb") as file:
                    file.seek(0, 2)
                    file.seek(max(file.tell() - MESSAGE_LIMIT, 0))
                    text = file.read()
            except OSError:
                text = b""
    policy = status.annotations.get(names.TERMINATION_MESSAGE_POLICY, "")
    if not text and policy == "FallbackToLogsOnError" and status.exit_code != 0 and status.log_path:
        from kprov.kube.kubelet.logs.reader import tail

        text = tail(Path(status.log_path), FALLBACK_LINES)[-FALLBACK_LIMIT:]
    return text.decode(errors="replace")
