"""Another API server on loopback, of one group and one kind, that trusts a front proxy."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kprov.lab.control_plane.authority import Authority

GROUP, VERSION = "stars.example.org", "v1"
BASE = f"/apis/{GROUP}/{VERSION}"


def thing(name: str) -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": "Star", "apiVersion": f"{GROUP}/{VERSION}", "metadata": metadata, "spec": {"light": 3}}


RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {"name": "stars", "singularName": "star", "namespaced": False, "kind": "Star", "shortNames": ["st"],
         "verbs": ["get", "list", "watch", "create"]},
        {"name": "stars/status", "singularName": "", "namespaced": False, "kind": "Star", "verbs": ["get"]},
    ],
}  # fmt: skip
_KIND = [{"group": GROUP, "kind": "Star", "version": VERSION}]
SCHEMAS = {
    "swagger": "2.0",
    "info": {"title": "stars", "version": "1"},
    "definitions": {
        "org.example.stars.v1.Star": {
            "description": "A Star gives light.",
            "type": "object",
            "properties": {"spec": {"$ref": "#/definitions/org.example.stars.v1.StarSpec"}},
            "x-kubernetes-group-version-kind": _KIND,
        },
        "org.example.stars.v1.StarSpec": {
            "type": "object",
            "properties": {"light": {"type": "integer", "description": "how bright it is"}},
        },
        "org.example.Unrelated": {"type": "object"},
    },
    "paths": {
        f"{BASE}/stars/{{name}}": {
            "get": {
                "operationId": "readStar",
                "parameters": [{"name": "name", "in": "path", "type": "string", "required": True}],
                "responses": {
                    "200": {"description": "OK", "schema": {"$ref": "#/definitions/org.example.stars.v1.Star"}}
                },
                "x-kubernetes-action": "get",
                "x-kubernetes-group-version-kind": _KIND[0],
            }
        },
        "/apis/elsewhere.example.org/v1/x": {"get": {"responses": {}}},
    },
}


class OtherServer:
    """Serves, and keeps what it was asked.

    Args:
        folder: for its certificates.
        name: the DNS name in its certificate.
        front_proxies: the file of the authority of clients that it believes.
        port: where; any free one by default.
    """

    def __init__(self, folder: Path, name: str, front_proxies: Path, port: int = 0) -> None:
        if not (folder / "ca.crt").exists():
            Authority(folder).issue("other", "other", addresses=(name,))
        self.bundle = self.bundle_of(folder)
        self.asked: list[tuple[str, str, dict[str, list[str]], str]] = []  # method, path, headers, client's name
        self.connections: set[ssl.SSLSocket] = set()
        self.go_on = threading.Event()
        other = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                other.connections.add(self.request)
                super().setup()

            def finish(self) -> None:
                other.connections.discard(self.request)
                super().finish()

            def do_GET(self) -> None:
                subject = dict(pair[0] for pair in self.connection.getpeercert().get("subject", ()))  # type: ignore[attr-defined]
                headers = {key.lower(): self.headers.get_all(key) or [] for key in self.headers}
                path = self.path.partition("?")[0]
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                other.asked.append((self.command, self.path, headers, subject.get("commonName", "")))
                if self.headers.get("Upgrade"):
                    self._echo()
                elif path == BASE:
                    self._json(RESOURCES)
                elif path == "/openapi/v2":
                    self._json(SCHEMAS)
                elif path == f"{BASE}/stars" and "watch=true" in self.path:
                    self._watch()
                elif path == f"{BASE}/stars" and self.command == "POST":
                    self._json(json.loads(body), 201)
                elif path == f"{BASE}/stars":
                    items = [thing("sirius"), thing("vega")]
                    kind = {"kind": "StarList", "apiVersion": f"{GROUP}/{VERSION}"}
                    self._json({**kind, "metadata": {"resourceVersion": "7"}, "items": items})
                elif path == f"{BASE}/stars/broken":
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.write(b"5\r\n{'ki\r\n")
                    self.close_connection = True
                elif path.startswith(f"{BASE}/stars/"):
                    self._json(thing(path.rpartition("/")[2]))
                else:
                    self._json({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not here"}, 404)

            do_POST = do_GET

            def _json(self, value: Any, status: int = 200) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _watch(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for name in ("rigel", "altair"):
                    line = json.dumps({"type": "ADDED", "object": thing(name)}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))
                    self.wfile.flush()
                    other.go_on.wait(20)
                self.wfile.write(b"0\r\n\r\n")

            def _echo(self) -> None:
                self.send_response(101)
                self.send_header("Connection", "Upgrade")
                self.send_header("Upgrade", self.headers["Upgrade"])
                self.end_headers()
                while data := self.rfile.readline():
                    self.wfile.write(b"heard " + data)
                    self.wfile.flush()
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "other.crt", folder / "other.key")
        context.load_verify_locations(front_proxies)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self.server.server_port)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @staticmethod
    def bundle_of(folder: Path) -> str:
        """A folder's authority, as a caBundle."""
        return base64.b64encode((folder / "ca.crt").read_bytes()).decode()

    def last(self, path: str) -> tuple[str, str, dict[str, list[str]], str]:
        """The last request for a path."""
        return next(each for each in reversed(self.asked) if each[1].partition("?")[0] == path)

    def stop(self) -> None:
        """Serve no more."""
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in tuple(self.connections):  # those that clients keep for the next request too
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
