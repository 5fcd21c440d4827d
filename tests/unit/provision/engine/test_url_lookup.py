"""The lookup url: what a web server says, and what it may not say."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from kprov.provision.engine import lookups
from kprov.provision.engine.lookups import LookupContext, LookupProblem, look_up, tables
from kprov.provision.engine.scope import Scope
from kprov.provision.engine.templating import Templar


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = {"/lines": "a\nb\n", "/who": self.headers.get("Authorization", "nobody"), "/long": "x" * 100}
        data = text.get(self.path, "").encode()
        self.send_response(200 if data else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def asked(address: str, **options: object) -> list[object]:
    templar = Templar()
    return look_up(
        "ansible.builtin.url", [address], {"use_proxy": False, **options}, LookupContext(templar, Scope(templar, []))
    )


def test_what_it_says(server: str) -> None:
    assert asked(f"{server}/lines") == ["a", "b"]
    assert asked(f"{server}/lines", split_lines=False) == ["a\nb\n"]
    assert asked(f"{server}/who", username="u", password="p") == ["Basic dTpw"]
    assert lookups.own_name("community.general.flattened") == "flattened"


def test_what_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_ANSWER", 50)
    for address, options, words in (
        (f"{server}/none", {}, "Not Found"),
        (f"{server}/long", {}, "says more than"),
        ("file:///etc/passwd", {}, "http:// and https://"),
        (f"{server}/lines", {"nosuch": 1}, "not nosuch"),
        ("http://127.0.0.1:1/", {}, "cannot be read: .*refused"),
    ):
        with pytest.raises(LookupProblem, match=words):
            asked(address, **options)
