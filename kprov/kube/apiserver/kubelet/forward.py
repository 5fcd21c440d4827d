"""Requests about a pod that its kubelet answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote, urlencode

from kprov.kube.api import errors
from kprov.kube.api.errors import ApiError
from kprov.kube.apiserver.admission.attributes import CONNECT, AdmissionAttributes
from kprov.kube.apiserver.handlers.parts import Parts
from kprov.kube.apiserver.http.message import Answer, Request, Tunnel
from kprov.kube.apiserver.kubelet import log_options
from kprov.kube.apiserver.kubelet.connection import KubeletTarget
from kprov.kube.apiserver.kubelet.proxyable import check_address, endpoint_address, port_of, scheme_name_port
from kprov.kube.apiserver.kubelet.web_proxy import web_answer
from kprov.kube.apiserver.resources import RESOURCES, ResourceInfo

Object = dict[str, Any]

# Headers that end here: they speak of this connection, or of who the client is.
_KEPT_BACK = frozenset(
    {"host", "authorization", "connection", "transfer-encoding", "content-length", "keep-alive", "te"}
)
_STREAM_PARAMETERS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
_LOG_PARAMETERS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")


def tunnel(
    request: Request,
    host: str,
    port: int,
    tls: Any,
    path: str,
    *,
    server_name: str | None = None,
    authority: str = "",
    more: Iterable[tuple[str, str]] = (),
) -> Tunnel:
    """The request, sent on to another server under another path and with more headers, its connection handed over."""
    upgrade = "upgrade" in request.headers.get("Connection", "").lower()
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {authority or host}"]
    for name, value in request.headers.items():
        lowered = name.lower()
        if lowered not in _KEPT_BACK and not lowered.startswith(("impersonate-", "x-remote-")):
            lines.append(f"{name}: {value}")
    lines += [f"{name}: {value}" for name, value in more]
    lines.append(f"X-Forwarded-For: {request.remote}")
    lines.append(f"Connection: {'Upgrade' if upgrade else 'close'}")
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + request.body
    return Tunnel(host, port, tls, head, server_name)


async def node_target(parts: Parts, node_name: str) -> KubeletTarget:
    """The kubelet of a node, by the node's name."""
    node = (await parts.store.get_entry(RESOURCES["", "nodes"], "", node_name)).object()
    target: KubeletTarget = parts.kubelets.target(node)
    return target


def _container(pod: Object, wanted: str) -> str:
    """The container that is meant. Raises ApiError (400) where that is not clear."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    containers = [container["name"] for container in spec.get("containers") or ()]
    others = [
        container["name"] for kind in ("initContainers", "ephemeralContainers") for container in spec.get(kind) or ()
    ]
    if not wanted:
        default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
        if default in containers:
            return str(default)
        if len(containers) == 1 and not others:
            return str(containers[0])
        more = f" or one of the init containers: [{' '.join(others)}]" if others else ""
        raise errors.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]{more}"
        )
    if wanted not in containers and wanted not in others:
        raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted


def _options(request: Request, info: ResourceInfo) -> Object:
    """What a connection is asked for, as an object: PodExecOptions and its like."""
    query, subresource = request.query, request.info.subresource
    _, _, kind = info.subresource_kinds.get(subresource, ("", "", f"{info.kind}ProxyOptions"))
    options: Object = {"kind": kind, "apiVersion": "v1"}
    match subresource:
        case "exec" | "attach":
            options |= {name: True for name in ("stdin", "stdout", "stderr", "tty") if request.flag(name)}
            if container := query.get("container", ""):
                options["container"] = container
            if subresource == "exec":
                options["command"] = query.getall("command", [])
        case "portforward":
            ports = [port for each in query.getall("ports", []) for port in each.split(",")]
            options["ports"] = [port_of(port, f"cannot convert to []int32: {port[:64]!r} is no port") for port in ports]
        case "proxy":
            options["path"] = unquote(_rest(request).partition("?")[0])
    return options


async def _admit(parts: Parts, request: Request, info: ResourceInfo) -> None:
    attrs = AdmissionAttributes(
        user=request.user,
        operation=CONNECT,
        resource_info=info,
        version=request.info.api_version,
        subresource=request.info.subresource,
        namespace=request.info.namespace,
        name=request.info.name,
        obj=_options(request, info),
        warnings=request.warnings,
        audit=request.audit,
    )
    await parts.admission.mutate(attrs)
    await parts.admission.validate(attrs)


async def pod_stream(parts: Parts, request: Request, info: ResourceInfo) -> Answer:
    """exec, attach, portforward and log of a pod."""
    namespace, name, what = request.info.namespace, request.info.name, request.info.subresource
    if what == "log":
        log_options.check(request.query, name)
    pod = (await parts.store.get_entry(info, namespace, name)).object()
    if what != "log":
        await _admit(parts, request, info)
    node_name = (pod.get("spec") or {}).get("nodeName")
    container = "" if what == "portforward" else _container(pod, request.query.get("container", ""))
    if not node_name:
        if what == "log":
            from kprov.kube.apiserver.http.message import Response

            return Response(b"", 200, "text/plain")
        raise errors.bad_request(f"pod {name} does not have a host assigned")
    target = await node_target(parts, node_name)
    place = f"{quote(namespace)}/{quote(name)}"
    query = request.query
    if what == "portforward":
        path = f"/portForward/{place}"
        parameters = [("port", port) for port in query.getall("ports", [])]
    elif what == "log":
        path = f"/containerLogs/{place}/{quote(container)}"
        parameters = [(key, query.get(key)) for key in _LOG_PARAMETERS if query.get(key, "")]
    else:
        path = f"/{what}/{place}/{quote(container)}"
        parameters = [(to, "1") for of, to in _STREAM_PARAMETERS if request.flag(of)]
        parameters += [("command", word) for word in query.getall("command", [])]
    full = f"{path}?{urlencode(parameters)}" if parameters else path
    return tunnel(request, target.host, target.port, target.tls, full)


async def node_proxy(parts: Parts, request: Request, info: ResourceInfo) -> Answer:
    """nodes/NAME/proxy/...: the kubelet's own API."""
    await _admit(parts, request, info)
    _, name, port = scheme_name_port(request.info.name, "node")
    wanted = port_of(port, f'invalid node request "{request.info.name}"') if port else 0
    target = await node_target(parts, name)
    if wanted and wanted != target.port:
        check_address(target.host)
    return await _proxied(request, target.host, wanted or target.port, target.tls)


def _rest(request: Request) -> str:
    """The path below .../proxy, with the query, as it was sent; without a slash where none follows "proxy"."""
    path, mark, query = request.raw_path.partition("?")
    # by its place: a namespace or a pod may have "proxy" in its name
    # /api/v1/namespaces/NS/pods/NAME/proxy/... or /api/v1/nodes/NAME/proxy/...
    segments = path.split("/")
    below = segments[8:] if segments[3] == "namespaces" else segments[6:]
    return "".join(f"/{segment}" for segment in below) + mark + query


async def pod_proxy(parts: Parts, request: Request, info: ResourceInfo) -> Answer:
    """pods/NAME/proxy/...: a port of the pod's, reached from this machine."""
    await _admit(parts, request, info)
    scheme, name, port = scheme_name_port(request.info.name, "pod")
    pod = (await parts.store.get_entry(info, request.info.namespace, name)).object()
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        raise errors.bad_request("address not allowed")
    if not port:
        ports = [
            declared["containerPort"]
            for container in pod["spec"].get("containers") or ()
            for declared in container.get("ports") or ()
        ]
        port = str(ports[0]) if ports else "80"
    elif not port.isdigit():
        port = _named_port(pod, port)
    check_address(address)
    return await _through(request, scheme, address, port_of(port, f'invalid pod request "{request.info.name}"'))


def _named_port(pod: Object, name: str) -> str:
    for container in pod["spec"].get("containers") or ():
        for declared in container.get("ports") or ():
            if declared.get("name") == name:
                return str(declared["containerPort"])
    raise errors.bad_request(f"pod {pod['metadata']['name']} has no port {name!r}")


async def _through(request: Request, scheme: str, address: str, port: int) -> Answer:
    tls = None
    if scheme == "https":
        import ssl

        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    return await _proxied(request, address, port, tls)


async def _proxied(request: Request, address: str, port: int, tls: Any) -> Answer:
    path = _rest(request)
    authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    # An upgraded connection is no longer HTTP; and what HEAD says of a body that does not come is passed on untouched.
    if request.method == "HEAD" or "upgrade" in request.headers.get("Connection", "").lower():
        return tunnel(request, address, port, tls, path if path.startswith("/") else f"/{path}", authority=authority)
    return await web_answer(request, authority, tls, path)


async def service_proxy(parts: Parts, request: Request, info: ResourceInfo) -> Answer:
    """services/NAME/proxy/...: one of the Service's endpoints."""
    await _admit(parts, request, info)
    scheme, name, wanted = scheme_name_port(request.info.name, "service")
    namespace = request.info.namespace
    service = (await parts.store.get_entry(info, namespace, name)).object()
    unavailable = errors.service_unavailable(f'no endpoints available for service "{request.info.name}"')
    ports = service["spec"].get("ports") or []
    chosen = [port for port in ports if not wanted or port.get("name") == wanted or str(port.get("port")) == wanted]
    if not chosen or (not wanted and len(ports) > 1 and all(port.get("name") for port in ports)):
        raise errors.service_unavailable(f'no service port "{wanted}" found for service "{name}"')
    try:
        endpoints = await parts.store.get(("", "endpoints"), namespace, name)
    except ApiError as error:
        if error.code == 404:
            raise unavailable from None
        raise
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            if port.get("name", "") == chosen[0].get("name", "") and subset.get("addresses"):
                address = await endpoint_address(parts, namespace, subset["addresses"])
                if address is not None:
                    check_address(address)
                    return await _through(request, scheme, address, int(port["port"]))
    raise unavailable
