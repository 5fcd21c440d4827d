"""The calls that the kubelet makes to the container runtime."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

# children of this process start another program at once: gRPC need not prepare for them
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
import grpc.aio

from kprov.kube.kubelet.cri import operations
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri import runtime_pb2_grpc as stubs
from kprov.kube.kubelet.names import POD_UID

MAX_MESSAGE = 16 * 1024 * 1024


class RuntimeFailure(Exception):
    """The container runtime refused a call or did not answer.

    ``code`` is gRPC's name of the failure ("NOT_FOUND", "UNAVAILABLE", ...), ``message`` the runtime's own words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def not_found(self) -> bool:
        """Whether the thing named does not exist."""
        return self.code == "NOT_FOUND"


class Runtime:
    """A connection to a CRI v1 runtime. Every method raises RuntimeFailure when the runtime does."""

    def __init__(self, endpoint: str, *, image_endpoint: str = "", timeout: float = 120) -> None:
        """Prepare (not open) the connection.

        ``endpoint`` is ``unix:///path`` or a bare path; ``timeout`` is for calls that should be quick.
        """
        options = [("grpc.max_receive_message_length", MAX_MESSAGE), ("grpc.max_send_message_length", MAX_MESSAGE)]
        self._channel = grpc.aio.insecure_channel(_target(endpoint), options=options)
        self._runtime: Any = stubs.RuntimeServiceStub(self._channel)  # type: ignore[no-untyped-call]
        self._images_channel = self._channel
        if image_endpoint and image_endpoint != endpoint:
            self._images_channel = grpc.aio.insecure_channel(_target(image_endpoint), options=options)
        self._images: Any = stubs.ImageServiceStub(self._images_channel)  # type: ignore[no-untyped-call]
        self.timeout = timeout

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()
        if self._images_channel is not self._channel:
            await self._images_channel.close()

    async def _call(self, method: Any, request: Any, timeout: float | None = None) -> Any:
        operation, began = operations.name_of(request), time.monotonic()
        operations.TOTAL.inc(operation)
        try:
            return await method(request, timeout=self.timeout if timeout is None else timeout)
        except grpc.aio.AioRpcError as error:
            operations.ERRORS.inc(operation)
            raise RuntimeFailure(error.code().name, error.details() or error.code().name) from None
        finally:
            operations.SECONDS.observe(time.monotonic() - began, operation)

    # ---- the runtime

    async def version(self) -> pb.VersionResponse:
        """Name and version of the runtime."""
        found: pb.VersionResponse = await self._call(self._runtime.Version, pb.VersionRequest(version="v1"), 10)
        return found

    async def conditions(self) -> dict[str, pb.RuntimeCondition]:
        """The runtime's own conditions by type (RuntimeReady, NetworkReady)."""
        answer = await self._call(self._runtime.Status, pb.StatusRequest(), 10)
        return {condition.type: condition for condition in answer.status.conditions}

    async def events(self) -> AsyncIterator[pb.ContainerEventResponse]:
        """Container events as they happen; raises RuntimeFailure (UNIMPLEMENTED) where the runtime has none."""
        try:
            async for event in self._runtime.GetContainerEvents(pb.GetEventsRequest()):
                yield event
        except grpc.aio.AioRpcError as error:
            raise RuntimeFailure(error.code().name, error.details() or "") from None

    # ---- sandboxes

    async def sandboxes(self, uid: str | None = None) -> list[pb.PodSandbox]:
        """All sandboxes, or those of one pod."""
        selector = pb.PodSandboxFilter(label_selector={POD_UID: uid}) if uid else None
        answer = await self._call(self._runtime.ListPodSandbox, pb.ListPodSandboxRequest(filter=selector))
        return list(answer.items)

    async def sandbox_status(self, sandbox: str) -> pb.PodSandboxStatus:
        """State and addresses of one sandbox."""
        answer = await self._call(self._runtime.PodSandboxStatus, pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox))
        status: pb.PodSandboxStatus = answer.status
        return status

    async def run_sandbox(self, config: pb.PodSandboxConfig, handler: str = "") -> str:
        """Start a sandbox with its network; returns its id."""
        request = pb.RunPodSandboxRequest(config=config, runtime_handler=handler)
        return str((await self._call(self._runtime.RunPodSandbox, request, self.timeout * 2)).pod_sandbox_id)

    async def stop_sandbox(self, sandbox: str) -> None:
        """Stop a sandbox and give its network back; harmless when it is already stopped or gone."""
        await self._call(self._runtime.StopPodSandbox, pb.StopPodSandboxRequest(pod_sandbox_id=sandbox))

    async def remove_sandbox(self, sandbox: str) -> None:
        """Remove a sandbox and what is left of its containers."""
        await self._call(self._runtime.RemovePodSandbox, pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox))

    # ---- containers

    async def containers(self, uid: str | None = None) -> list[pb.Container]:
        """All containers, dead ones too, or those of one pod."""
        selector = pb.ContainerFilter(label_selector={POD_UID: uid}) if uid else None
        return list(
            (await self._call(self._runtime.ListContainers, pb.ListContainersRequest(filter=selector))).containers
        )

    async def container_status(self, container: str) -> pb.ContainerStatus:
        """Everything about one container."""
        answer = await self._call(self._runtime.ContainerStatus, pb.ContainerStatusRequest(container_id=container))
        status: pb.ContainerStatus = answer.status
        return status

    async def create_container(
        self, sandbox: str, config: pb.ContainerConfig, sandbox_config: pb.PodSandboxConfig
    ) -> str:
        """Create a container without starting it; returns its id."""
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox, config=config, sandbox_config=sandbox_config)
        return str((await self._call(self._runtime.CreateContainer, request)).container_id)

    async def start_container(self, container: str) -> None:
        """Start a created container."""
        await self._call(self._runtime.StartContainer, pb.StartContainerRequest(container_id=container))

    async def stop_container(self, container: str, grace: float) -> None:
        """Ask the container to end, and kill it ``grace`` seconds later."""
        request = pb.StopContainerRequest(container_id=container, timeout=int(grace))
        await self._call(self._runtime.StopContainer, request, self.timeout + grace)

    async def remove_container(self, container: str) -> None:
        """Remove a container; a running one is killed."""
        await self._call(self._runtime.RemoveContainer, pb.RemoveContainerRequest(container_id=container))

    async def reopen_log(self, container: str) -> None:
        """Make the runtime open the container's log file anew, after it was renamed."""
        await self._call(self._runtime.ReopenContainerLog, pb.ReopenContainerLogRequest(container_id=container))

    async def stats(self, uid: str | None = None) -> list[pb.ContainerStats]:
        """What running containers use of cpu, memory and disk."""
        selector = pb.ContainerStatsFilter(label_selector={POD_UID: uid}) if uid else None
        request = pb.ListContainerStatsRequest(filter=selector)
        return list((await self._call(self._runtime.ListContainerStats, request)).stats)

    # ---- commands and streams

    async def exec_sync(self, container: str, command: Iterable[str], timeout: float) -> tuple[int, bytes, bytes]:
        """Run a command to its end; returns exit code, standard output and standard error."""
        request = pb.ExecSyncRequest(container_id=container, cmd=list(command), timeout=int(timeout))
        answer = await self._call(self._runtime.ExecSync, request, timeout + 10 if timeout else None)
        return answer.exit_code, answer.stdout, answer.stderr

    async def exec_url(self, request: pb.ExecRequest) -> str:
        """Where the runtime's streaming server offers this command's streams."""
        return str((await self._call(self._runtime.Exec, request)).url)

    async def attach_url(self, request: pb.AttachRequest) -> str:
        """Where the runtime's streaming server offers a container's own streams."""
        return str((await self._call(self._runtime.Attach, request)).url)

    async def port_forward_url(self, sandbox: str, ports: Iterable[int]) -> str:
        """Where the runtime's streaming server offers connections to a sandbox's ports."""
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox, port=list(ports))
        return str((await self._call(self._runtime.PortForward, request)).url)

    # ---- images

    async def images(self) -> list[pb.Image]:
        """The images on this machine."""
        return list((await self._call(self._images.ListImages, pb.ListImagesRequest())).images)

    async def image(self, name: str) -> pb.Image | None:
        """One image, or None where the machine does not have it."""
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=name))
        answer = await self._call(self._images.ImageStatus, request)
        return answer.image if answer.HasField("image") and answer.image.id else None

    async def pull_image(self, name: str, auth: pb.AuthConfig | None, sandbox: pb.PodSandboxConfig | None) -> str:
        """Fetch an image, which may take long; returns the reference of what was fetched."""
        request = pb.PullImageRequest(image=pb.ImageSpec(image=name), auth=auth, sandbox_config=sandbox)
        return str((await self._call(self._images.PullImage, request, 3600)).image_ref)

    async def remove_image(self, name: str) -> None:
        """Remove an image."""
        await self._call(self._images.RemoveImage, pb.RemoveImageRequest(image=pb.ImageSpec(image=name)))

    async def image_filesystems(self) -> list[pb.FilesystemUsage]:
        """Where images lie and how much they take."""
        answer = await self._call(self._images.ImageFsInfo, pb.ImageFsInfoRequest())
        return list(answer.image_filesystems)


def _target(endpoint: str) -> str:
    return endpoint if "://" in endpoint else f"unix://{endpoint}"
