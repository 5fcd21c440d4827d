"""A private containerd for tests: own namespaces, own folders, gone afterwards.

The daemon lives in fresh mount and network namespaces, so its bridges, mounts and port mappings are never the host's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

CONTAINERD_CONFIG = """
version = 2
root = "{root}/containerd-root"
state = "{root}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{root}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "registry.kprov.local/pause:1"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{root}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""

# the machine's own address lies on one end of a cable whose other end leads nowhere
INTERFACES = """
ip link set lo up
ip link add node0 type veth peer name node1
ip link set node1 up
ip addr add 192.0.2.10/24 dev node0
ip link set node0 up
ip route add default dev node0""".strip().replace("\n", "; ")

NETWORK = {
    "cniVersion": "0.4.0",
    "name": "test",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "kprov0",
            "isGateway": True,
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.199.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
    ],
}


class PrivateRuntime:
    """One containerd with its namespaces and folders."""

    def __init__(self, root: Path) -> None:
        """Keep everything below ``root`` (a short path: it carries a Unix socket)."""
        self.root = root
        self.socket = root / "containerd.sock"
        self._holder: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def holder(self) -> int:
        """The process that holds the namespaces."""
        assert self._holder
        return self._holder.pid

    def containers(self) -> list[str]:
        """The ids of everything that containerd has, sandboxes too."""
        return self.ctr("containers", "ls", "-q").split()

    def remove(self, container: str) -> None:
        """Remove one by force, for what a failed test leaves."""
        for words in (["tasks", "rm", "-f", container], ["containers", "rm", container]):
            subprocess.run(
                ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *words],
                capture_output=True,
                check=False,
            )

    def start(self) -> None:
        """Start the namespaces and the daemon, and import the two images."""
        (self.root / "cni").mkdir(parents=True)
        (self.root / "cni" / "10-test.conflist").write_text(json.dumps(NETWORK))
        (self.root / "config.toml").write_text(CONTAINERD_CONFIG.format(root=self.root))
        self._holder = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                f"{INTERFACES}; mount --make-rshared /; touch {self.root}/ready; exec sleep infinity",
            ],
        )
        _until(lambda: (self.root / "ready").exists(), "namespaces")
        self.start_daemon()
        self.import_image(busybox_archive("registry.kprov.local/busybox:1"))
        self.import_image(pause_archive("registry.kprov.local/pause:1"))

    def start_daemon(self) -> None:
        """Start containerd itself (again)."""
        log = (self.root / "containerd.log").open("ab")
        self._daemon = subprocess.Popen(
            self.inside(["containerd", "--config", str(self.root / "config.toml")]), stdout=log, stderr=log
        )
        _until(self._answers, f"containerd (see {self.root}/containerd.log)")

    def stop_daemon(self) -> None:
        """Stop containerd; containers go on."""
        if self._daemon:
            self._daemon.terminate()
            self._daemon.wait(20)
            self._daemon = None

    def inside(self, command: list[str]) -> list[str]:
        """``command``, run in the runtime's namespaces."""
        assert self._holder
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", f"--wd={Path.cwd()}", "--", *command]

    def ctr(self, *arguments: str, stdin: bytes | None = None) -> str:
        """Run ctr in the kubelet's namespace of images and return what it says."""
        done = subprocess.run(
            ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", *arguments],
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()

    def import_image(self, archive: bytes) -> None:
        """Import an image archive."""
        path = self.root / "image.tar"
        path.write_bytes(archive)
        subprocess.run(
            self.inside(["ctr", "--address", str(self.socket), "--namespace", "k8s.io", "images", "import", str(path)]),
            check=True,
            capture_output=True,
        )

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        done = subprocess.run(["ctr", "--address", str(self.socket), "plugins", "ls"], capture_output=True, check=False)
        return any(b" cri " in line and line.rstrip().endswith(b"ok") for line in done.stdout.splitlines())

    def stop(self) -> None:
        """Kill every container, the daemon and the namespaces, and remove the folders."""
        if self._daemon and self._daemon.poll() is None:
            for task in self.ctr("tasks", "ls", "-q").split():
                subprocess.run(
                    ["ctr", "--address", str(self.socket), "--namespace", "k8s.io", "tasks", "rm", "-f", task],
                    capture_output=True,
                    check=False,
                )
            self.stop_daemon()
        if self._holder:
            self._holder.send_signal(signal.SIGKILL)
            self._holder.wait(20)
        _until(lambda: _removed(self.root), f"removal of {self.root}")


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _until(condition: object, what: str, deadline: float = 120) -> None:
    """Poll ``condition`` until it holds; raises TimeoutError naming ``what``."""
    end = time.monotonic() + deadline
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {deadline:g} s")
        time.sleep(0.05)


def busybox_archive(name: str) -> bytes:
    """An image with busybox and a link for each of its applets."""
    binary = Path("/bin/busybox").read_bytes()
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, check=True, text=True).stdout.split()
    layer = _tar(
        {
            "bin/busybox": (0o755, binary),
            "etc/passwd": (0o644, b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n"),
            "etc/group": (0o644, b"root:x:0:\nuser:x:1000:\n"),
        },
        folders=["bin", "etc", "tmp", "root", "var", "proc", "sys", "dev", "home"],
        links={f"bin/{applet}": "/bin/busybox" for applet in applets if applet != "busybox"},
    )
    return image_archive(name, layer, {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"], "WorkingDir": "/"})


def pause_archive(name: str) -> bytes:
    """An image whose only program waits."""
    layer = _tar({"pause": (0o755, Path("/usr/bin/catatonit").read_bytes())}, folders=[], links={})
    return image_archive(name, layer, {"Entrypoint": ["/pause", "-P"]})


def _tar(files: dict[str, tuple[int, bytes]], *, folders: list[str], links: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for path, (mode, content) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def image_archive(name: str, layer: bytes, config: dict[str, object]) -> bytes:
    """A docker-style archive of one layer."""
    digest = hashlib.sha256(layer).hexdigest()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    description = json.dumps(
        {
            "architecture": machine,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = hashlib.sha256(description).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]).encode()
    return _tar(
        {config_name: (0o644, description), f"{digest}/layer.tar": (0o644, layer), "manifest.json": (0o644, manifest)},
        folders=[digest],
        links={},
    )


if __name__ == "__main__":
    import sys

    runtime = PrivateRuntime(Path(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runtime.start()
    print(runtime.inside([]), flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        runtime.stop()
