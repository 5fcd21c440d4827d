"""Real kubectl: logs, exec, attach and port-forward, over websocket and over SPDY."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from conftest import IMAGE, NODE_IP, Machine
from fake_api import FakeApi
from front import Front

KUBECTL = Path(sys.executable).with_name("kubectl")
WEBSOCKET: dict[str, str] = {}
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
PAGE = (
    "mkdir /www; echo page > /www/index.html; httpd -p 8000 -h /www; "
    "trap 'exit 0' TERM; while true; do date; sleep 0.2; done"
)


class Client:
    """kubectl, pointed at the stand-in API."""

    def __init__(self, port: int) -> None:
        self.server = f"http://127.0.0.1:{port}"
        self.command = [str(KUBECTL), "--server", self.server, "--kubeconfig", "/dev/null"]

    async def run(
        self, *words: str, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run it to its end: exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *words,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(120):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return process.returncode, out, err


@pytest.fixture
async def kubectl(api: FakeApi, machine: Machine) -> AsyncIterator[Client]:
    """A pod named p that serves a page and writes the time, and a kubectl to look at it."""
    front = Front(api.port, (NODE_IP, 10250))
    port = await front.start()
    api.pod("p", {"containers": [{"name": "c", "image": IMAGE, "command": ["sh", "-c", PAGE]}]})
    await api.until(lambda: (api.get_pod("p") or {})["status"]["phase"] == "Running", "the pod")
    yield Client(port)
    await front.stop()


@pytest.mark.parametrize("how", [WEBSOCKET, SPDY], ids=["websocket", "spdy"])
async def test_exec(kubectl: Client, how: dict[str, str]) -> None:
    words = ("exec", "p", "-c", "c", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    code, out, err = await kubectl.run(*words, env=how)
    assert (code, out) == (3, b"out\n")
    assert err.startswith(b"err\n")
    data = os.urandom(3_000_000)
    code, out, _ = await kubectl.run("exec", "-i", "p", "-c", "c", "--", "cat", stdin=data, env=how)
    assert code == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
@pytest.mark.parametrize("text", [True, False], ids=["text", "binary"])
async def test_frames_of_both_kinds_reach_the_command(kubectl: Client, protocol: str, text: bool) -> None:
    url = f"{kubectl.server}/api/v1/namespaces/default/pods/p/exec"
    wanted = [("container", "c"), *((each, "true") for each in ("stdin", "stdout", "stderr"))]
    wanted += [("command", word) for word in ("sh", "-c", "read word; echo got $word; exit 4")]
    said: dict[int, bytes] = {}
    async with (
        asyncio.timeout(120),
        aiohttp.ClientSession() as session,
        session.ws_connect(url, params=wanted, protocols=[protocol]) as socket,
    ):
        await (socket.send_str("\0hello\n") if text else socket.send_bytes(b"\0hello\n"))
        async for message in socket:  # until the server closes
            said[message.data[0]] = said.get(message.data[0], b"") + message.data[1:]
    assert said[1] == b"got hello\n"
    status = json.loads(said[3])
    assert status["reason"] == "NonZeroExitCode" and status["details"]["causes"][0]["message"] == "4"


async def test_exec_with_a_terminal(kubectl: Client) -> None:
    if not shutil.which("script"):
        pytest.fail("script(1) is missing: apt-get install bsdutils")
    words = [*kubectl.command, "exec", "-it", "p", "-c", "c", "--", "tty"]
    process = await asyncio.create_subprocess_exec(
        "script", "-qc", " ".join(words), "/dev/null", stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert b"/dev/pts/" in out


@pytest.mark.parametrize("how", [WEBSOCKET, SPDY], ids=["websocket", "spdy"])
async def test_port_forward(kubectl: Client, how: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *kubectl.command, "port-forward", "p", ":8000", env={**os.environ, **how}, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout
        async with asyncio.timeout(120):
            port = int((await process.stdout.readline()).split(b":")[1].split()[0])
            for _ in range(3):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /index.html HTTP/1.0\r\n\r\n")
                assert (await reader.read()).endswith(b"page\n")
                writer.close()
    finally:
        process.terminate()
        await process.wait()


async def test_logs_and_attach(kubectl: Client) -> None:
    code, out, _ = await kubectl.run("logs", "p", "-c", "c", "--tail=1")
    assert code == 0
    assert out.count(b"\n") == 1
    for words in (["logs", "-f", "p", "-c", "c", "--tail=0"], ["attach", "p", "-c", "c"]):
        process = await asyncio.create_subprocess_exec(*kubectl.command, *words, stdout=subprocess.PIPE)
        assert process.stdout
        try:
            async with asyncio.timeout(120):
                assert b"UTC" in await process.stdout.readline()
        finally:
            process.terminate()
            await process.wait()


async def test_words_for_what_is_not_there(kubectl: Client) -> None:
    url = f"https://{NODE_IP}:10250/containerLogs/default"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/p/c?previous=true", ssl=False) as answer:
            assert answer.status == 400
            assert await answer.text() == 'previous terminated container "c" in pod "p" not found'
        async with session.get(f"{url}/p/none", ssl=False) as answer:
            assert (answer.status, await answer.text()) == (400, "container none is not valid for pod p")
        async with session.get(f"{url}/none/c", ssl=False) as answer:
            assert answer.status == 404
