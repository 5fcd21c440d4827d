"""The images that a cluster has without any registry: the pause process, and a small one to try things with."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kprov.debian.mirrors import Mirrors
from kprov.debian.releases import RELEASES
from kprov.provision.bundle import debian_packages
from kprov.provision.bundle.contents import IMAGE_PACKAGES, IMAGE_RELEASE, REGISTRY
from kprov.provision.bundle.deb_content import file_in
from kprov.provision.bundle.manifest import Image
from kprov.provision.bundle.oci_image import RootFiles, write_archive
from kprov.provision.bundle.store import Store

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VERSION = 2  # raise it when what is in the images changes


def key_of(mirrors: Mirrors) -> str:
    """What the images are made from."""
    return hashlib.sha256(f"{_VERSION} {debian_packages.key_of(IMAGE_PACKAGES, mirrors)}".encode()).hexdigest()


# A static program looks names up with these; without them it dies at the first name.
_LIBRARIES = {
    "lib/x86_64-linux-gnu/libc.so.6": "lib/x86_64-linux-gnu/libc.so.6",
    "lib/x86_64-linux-gnu/libnss_dns.so.2": "lib/x86_64-linux-gnu/libnss_dns.so.2",
    "lib/x86_64-linux-gnu/libnss_files.so.2": "lib/x86_64-linux-gnu/libnss_files.so.2",
    "lib/x86_64-linux-gnu/libresolv.so.2": "lib/x86_64-linux-gnu/libresolv.so.2",
    "lib64/ld-linux-x86-64.so.2": "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
}


def pause(catatonit: bytes) -> tuple[RootFiles, dict[str, Any]]:
    """The process that holds a pod's namespaces, and reaps what dies in them."""
    root = RootFiles(files={"pause": catatonit}, programs={"pause"})
    return root, {"Entrypoint": ["/pause", "-P"], "User": "65535:65535"}


def busybox(
    program: bytes, libraries: dict[str, bytes], applets: list[str], tag: str
) -> tuple[RootFiles, dict[str, Any]]:
    """A shell and its usual company. The tag is in /etc/image-version, so that a rolling update can be seen.

    Args:
        program: the static busybox.
        libraries: what it needs to look names up, by path.
        applets: the names that it answers to.
        tag: the image's tag.
    """
    root = RootFiles(
        files={
            "bin/busybox": program,
            **libraries,
            "etc/nsswitch.conf": b"hosts: files dns\n",
            "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
            "etc/image-version": f"{tag}\n".encode(),
            "var/www/index.html": f"kprov busybox {tag}\n".encode(),
        },
        programs={"bin/busybox", "lib64/ld-linux-x86-64.so.2"},
        links={f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"},
        folders={
            "bin": 0o755,
            "etc": 0o755,
            "lib": 0o755,
            "lib/x86_64-linux-gnu": 0o755,
            "lib64": 0o755,
            "root": 0o700,
            "tmp": 0o1777,
            "var": 0o755,
            "var/www": 0o755,
        },
    )
    return root, {"Cmd": ["sh"], "Env": [_PATH], "Labels": {"org.opencontainers.image.version": tag}}


def _applets(program: bytes, folder: Path) -> list[str]:
    path = folder / "busybox"
    path.write_bytes(program)
    path.chmod(0o755)
    return subprocess.run([path, "--list"], check=True, capture_output=True, text=True).stdout.split()


def gather(store: Store, mirrors: Mirrors) -> list[Image]:
    """Make the images from Debian's packages of static programs."""
    release = RELEASES[IMAGE_RELEASE]
    packages = {
        row.name: row.path
        for row in debian_packages.gather(store, release, IMAGE_PACKAGES, mirrors, for_images=True)[0]
    }
    shell = file_in(packages["busybox-static"], "bin/busybox")
    libraries = {path: file_in(packages["libc6"], source) for path, source in _LIBRARIES.items()}
    with store.scratch() as folder:
        applets = _applets(shell, folder)

        def made() -> Iterator[Image]:
            wanted = {
                "pause:1": pause(file_in(packages["catatonit"], "usr/bin/catatonit")),
                **{f"busybox:{tag}": busybox(shell, libraries, applets, tag) for tag in ("1", "2")},
            }
            for short, (root, run) in wanted.items():
                name = f"{REGISTRY}/{short}"
                archive = folder / "image.tar"
                write_archive(archive, name, root, run)
                stored = store.add(archive, f"{short.replace(':', '-')}.tar")
                yield Image(sha256=stored.sha256, size=stored.size, file=stored.file, path=stored.path, name=name)

        return list(made())
