from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, sys
from kprov.kube.api.daemon import DaemonError, ready, run_daemon
from kprov.kube.api.flags import FlagSet
flags = FlagSet("kube-thing")
flags.string("fail")
async def main(given):
    if given.fail:
        raise DaemonError(given.fail)
    ready()
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)
sys.exit(run_daemon("kube-thing", main, flags))
"""


def test_a_daemon_shows_its_name_tells_systemd_and_stops_cleanly(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        command = [sys.executable, "-c", PROGRAM, "--v=2"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            try:
                assert manager.recv(100).startswith(b"READY=1")
                words = Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                assert words == [b"kube-thing", b"--v=2"]
                assert Path(f"/proc/{process.pid}/comm").read_text() == "kube-thing\n"
                process.send_signal(signal.SIGTERM)
                assert manager.recv(100) == b"STOPPING=1"
                assert process.wait(10) == 0
                assert process.stdout
                assert process.stdout.read() == b"cleaned up\n"
            finally:
                process.kill()


def test_what_the_operator_must_do_is_said_without_a_traceback() -> None:
    command = [sys.executable, "-c", PROGRAM, "--fail=write a kubeconfig"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "kube-thing: write a kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr
