"""An HTTPS server on loopback that webhooks of tests are served by."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kprov.lab.control_plane.authority import Authority


class Hooks:
    """Answers as a test says by path, and keeps what it was asked.

    Args:
        folder: for its certificates.
    """

    def __init__(self, folder: Path) -> None:
        Authority(folder).issue("hooks", "hooks", addresses=("127.0.0.1",))
        self.bundle = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
        self.answers: dict[str, dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.hold = threading.Event()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                path = self.path.partition("?")[0]
                hooks.asked.append((path, review))
                if path == "/slow":
                    hooks.hold.wait(30)
                given = hooks.answers.get(path, {})
                response = given(review["request"]) if callable(given) else given
                answer = {"uid": review["request"]["uid"], "allowed": True, **response}
                body = json.dumps({**{key: review[key] for key in ("kind", "apiVersion")}, "response": answer}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "hooks.crt", folder / "hooks.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def configuration(self, kind: str, name: str, *paths: str, namespace: str, **more: Any) -> str:
        """A configuration whose webhooks are paths of this server, for ConfigMaps of one namespace."""
        hooks = [
            {
                "name": f"{path.strip('/')}.hooks.example.org",
                "clientConfig": {"url": f"https://127.0.0.1:{self.server.server_port}{path}", "caBundle": self.bundle},
                "rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                **more,
            }
            for path in paths
        ]
        api = "admissionregistration.k8s.io/v1"
        return json.dumps({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "webhooks": hooks})
