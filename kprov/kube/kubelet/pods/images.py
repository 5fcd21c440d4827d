"""Images: whether to fetch, fetching, and saying why not."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

from kprov.kube.api import clock
from kprov.kube.kubelet.cri import runtime_pb2 as pb
from kprov.kube.kubelet.cri.client import Runtime, RuntimeFailure
from kprov.kube.kubelet.pods.backoff import Backoff

Pod = dict[str, Any]
Report = Callable[[str, str, str], None]  # (event type, reason, message)


class ImageError(Exception):
    """A container's image is not there; ``reason`` is what the container waits with."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImagePuller:
    """Fetches images, one after the other unless told otherwise."""

    def __init__(self, runtime: Runtime, parallel: int = 1) -> None:
        """``parallel`` is how many at once."""
        self._runtime = runtime
        self._gate = asyncio.Semaphore(parallel)
        self._backoff = Backoff()
        self._until: dict[str, float] = {}  # pod and image -> when to try again, by the steady clock

    async def ensure(
        self,
        pod: Pod,
        container: dict[str, Any],
        secrets: list[dict[str, Any]],
        sandbox: pb.PodSandboxConfig,
        report: Report,
    ) -> pb.Image:
        """The container's image on this machine, fetched where its pull policy asks for it.

        Raises ImageError (ErrImagePull, ImagePullBackOff, ErrImageNeverPull, InvalidImageName) and RuntimeFailure.
        """
        name = normalised(container.get("image", ""))
        policy = container.get("imagePullPolicy") or default_policy(name)
        present = await self._runtime.image(name)
        if policy == "Never" and present is None:
            message = f'Container image "{container["image"]}" is not present with pull policy of Never'
            report("Warning", "ErrImageNeverPull", message)
            raise ImageError("ErrImageNeverPull", message)
        if present is not None and policy != "Always":
            report("Normal", "Pulled", f'Container image "{container["image"]}" already present on machine')
            return present
        key = f"{pod['metadata']['uid']}/{name}"
        if clock.steady() < self._until.get(key, 0):
            message = f'Back-off pulling image "{container["image"]}"'
            report("Normal", "BackOff", message)
            raise ImageError("ImagePullBackOff", message)
        report("Normal", "Pulling", f'Pulling image "{container["image"]}"')
        started = time.monotonic()
        try:
            async with self._gate:
                waited = time.monotonic() - started
                reference = await self._pull(name, secrets, sandbox)
        except RuntimeFailure as failure:
            self._raise(key)
            message = f'Failed to pull image "{container["image"]}": {failure.message}'
            report("Warning", "Failed", message)
            report("Warning", "Failed", "Error: ErrImagePull")
            raise ImageError("ErrImagePull", failure.message) from None
        self._backoff.forget(key)
        self._until.pop(key, None)
        took = time.monotonic() - started
        image = await self._runtime.image(reference) or await self._runtime.image(name)
        if image is None:
            raise ImageError("ErrImagePull", f'image "{name}" vanished after it was pulled')
        report(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{container["image"]}" in {took - waited:.3f}s '
            f"({took:.3f}s including waiting). "
            f"Image size: {image.size} bytes.",
        )
        return image

    def retry_after(self, pod: Pod, container: dict[str, Any]) -> float:
        """Seconds until it is worth trying this image again."""
        key = f"{pod['metadata']['uid']}/{normalised(container.get('image', ''))}"
        return max(self._until.get(key, 0) - clock.steady(), 0)

    def _raise(self, key: str) -> None:
        self._backoff.raise_delay(key, time.time())
        self._until[key] = clock.steady() + self._backoff.delay(key)

    async def _pull(self, name: str, secrets: list[dict[str, Any]], sandbox: pb.PodSandboxConfig) -> str:
        candidates: list[pb.AuthConfig | None] = [*credentials(name, secrets)]
        failure: RuntimeFailure | None = None
        for auth in candidates or [None]:
            try:
                return await self._runtime.pull_image(name, auth, sandbox)
            except RuntimeFailure as problem:
                failure = problem
        assert failure is not None
        raise failure

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a pod that is gone."""
        self._backoff.forget(f"{uid}/")
        for key in [key for key in self._until if key.startswith(f"{uid}/")]:
            del self._until[key]


def normalised(image: str) -> str:
    """The image with its registry and tag written out; raises ImageError for a name that cannot be one."""
    if not image or image != image.strip() or any(char.isspace() for char in image):
        raise ImageError("InvalidImageName", f'Failed to apply default image tag "{image}": invalid reference format')
    name, at, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if not slash:
        first, rest = "docker.io", f"library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        first, rest = "docker.io", name
    if rest != rest.lower() and ":" not in rest:
        raise ImageError(
            "InvalidImageName", f'Failed to apply default image tag "{image}": repository name must be lowercase'
        )
    if not at and ":" not in rest:
        rest += ":latest"
    return f"{first}/{rest}{at}{digest}"


def default_policy(name: str) -> str:
    """Always for :latest, IfNotPresent for all else, as the API server defaults it."""
    return "Always" if "@" not in name and name.endswith(":latest") else "IfNotPresent"


def credentials(image: str, secrets: list[dict[str, Any]]) -> list[pb.AuthConfig]:
    """The registry credentials in ``secrets`` that are for this image's registry, best match first."""
    found: list[tuple[int, pb.AuthConfig]] = []
    for secret in secrets:
        data = secret.get("data") or {}
        try:
            if ".dockerconfigjson" in data:
                entries = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
            elif ".dockercfg" in data:
                entries = json.loads(base64.b64decode(data[".dockercfg"]))
            else:
                continue
        except ValueError:
            continue
        for registry, entry in entries.items():
            place = (
                registry.removeprefix("https://")
                .removeprefix("http://")
                .removesuffix("/v1/")
                .removesuffix("/v2/")
                .rstrip("/")
            )
            place = "docker.io" if place in ("index.docker.io", "registry-1.docker.io") else place
            if image == place or image.startswith(f"{place}/"):
                found.append((len(place), _auth(entry)))
    return [auth for _, auth in sorted(found, key=lambda pair: -pair[0])]


def _auth(entry: dict[str, Any]) -> pb.AuthConfig:
    user, password = entry.get("username", ""), entry.get("password", "")
    if not user and entry.get("auth"):
        user, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
    return pb.AuthConfig(
        username=user,
        password=password,
        identity_token=entry.get("identitytoken", ""),
        registry_token=entry.get("registrytoken", ""),
    )
