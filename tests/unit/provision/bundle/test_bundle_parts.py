"""How the parts of a bundle are made."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from kprov.provision.bundle import daemons, images, libraries
from kprov.provision.bundle.contents import DAEMONS
from kprov.provision.bundle.deb_content import file_in
from kprov.provision.bundle.dependencies import needs, provided_by
from kprov.provision.bundle.errors import BundleError
from kprov.provision.bundle.manifest import Artifact
from kprov.provision.bundle.oci_image import RootFiles, write_archive
from kprov.provision.bundle.private_apt import paragraphs
from kprov.provision.bundle.tree_archive import pack

ROOT = Path(__file__).resolve().parents[4]


def fields(text: str) -> dict[str, dict[str, str]]:
    return {row["Package"]: row for row in paragraphs(text)}


CONTROL = """\
Package: tool
Depends: libx (>= 1), default-mta | mail-agent, libc6 (>= 2.36), adduser | passwd
Pre-Depends: starter:any

Package: libx
Description: a library
 with more lines: than one

Package: mailer
Provides: mail-agent (= 1), other

Package: starter
"""


def test_dependencies_within_the_bundle() -> None:
    rows = fields(CONTROL)
    found = needs(rows["tool"], provided_by(rows), {"libc6", "passwd"})
    assert found == ("libx", "mailer", "starter")


def test_the_daemons_are_those_of_the_distribution() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    scripts.pop("kprov")
    assert {name: f"{module}:main" for name, module in DAEMONS.items()} == scripts


def test_requirements_are_those_of_the_extra() -> None:
    lines = ["a==1", "b==2; extra == 'kube'", 'c==3; extra == "dev"', "d==4 ; extra == 'kube'"]
    assert libraries.requirements(lines) == ["b==2", "d==4"]
    with pytest.raises(BundleError):
        libraries.requirements(["a==1"])


def test_slimming_keeps_what_runs(tmp_path: Path) -> None:
    keep = [
        "numpy/core.py",
        "numpy/core.so",
        "test/__init__.py",
        "kubernetes_validate/kubernetes-json-schema/v1.32.0-local/x.json",
    ]
    drop = ["numpy/core.pyi", "numpy/tests/test_core.py", "numpy/include/n.h", "bin/tool", "a.dist-info/RECORD"]
    drop += ["kubernetes_validate/kubernetes-json-schema/v1.37.0-local/x.json", "uvloop/loop.c"]
    for name in keep + drop:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    libraries.slim(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(keep)


def test_an_archive_depends_on_content_alone(tmp_path: Path) -> None:
    made = []
    for name, mode in (("one", 0o755), ("two", 0o700)):
        tree = tmp_path / name
        (tree / "bin").mkdir(parents=True)
        (tree / "bin/run").write_text("x")
        (tree / "bin/run").chmod(mode)
        pack(tree, tmp_path / f"{name}.tar.gz")
        made.append((tmp_path / f"{name}.tar.gz").read_bytes())
    assert made[0] == made[1]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small kprov: enough for one daemon."""
    root = tmp_path / "kprov"
    for name, text in {
        "__init__.py": "",
        "kube/__init__.py": "",
        "kube/one.py": "x = 1\n",
        "kube/wire.proto": 'syntax = "proto3";\n',
        "kube/wire_pb2.py": "",
        "provision/secret.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_machines_get_the_daemons_alone(package: Path) -> None:
    names = [str(path.relative_to(package)) for path in daemons.sources(package)]
    assert names == ["__init__.py", "kube/__init__.py", "kube/one.py", "kube/wire_pb2.py"]


def test_a_checkout_without_stubs_is_refused(package: Path) -> None:
    (package / "kube/wire_pb2.py").unlink()
    with pytest.raises(BundleError, match=r"hatch_build\.py"):
        list(daemons.sources(package))


def test_a_changed_source_is_another_release(package: Path) -> None:
    before = daemons.digest(package)
    (package / "provision/secret.py").write_text("changed")
    assert daemons.digest(package) == before
    (package / "kube/one.py").write_text("x = 2\n")
    assert daemons.digest(package) != before


def test_other_libraries_are_another_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "digest", lambda: "same")
    versions = {daemons.version({"12": Artifact(sha256=each, size=1, file="f")}) for each in ("a", "b")}
    assert len(versions) == 2


def test_a_launcher_finds_its_own_release(tmp_path: Path) -> None:
    release = tmp_path / "releases/1"
    (release / "bin").mkdir(parents=True)
    (release / "lib").mkdir()
    (release / "lib/program.py").write_text(
        "import sys\ndef main():\n    print(sys.path[-1], *sys.argv[1:])\n    return 3\n"
    )
    text = daemons.LAUNCHER.format(module="program").replace("/usr/bin/python3", sys.executable)
    (release / "bin/program").write_text(text)
    (release / "bin/program").chmod(0o755)
    (tmp_path / "current").symlink_to(release)
    done = subprocess.run([tmp_path / "current/bin/program", "--flag=1"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (3, [str(release / "lib"), "--flag=1"])


def deb(path: Path, files: dict[str, bytes]) -> Path:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    raw = b"!<arch>\n"
    for name, content in {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.getvalue()}.items():
        raw += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content
        raw += b"\n" * (len(content) % 2)
    path.write_bytes(raw)
    return path


def test_files_are_read_out_of_a_package(tmp_path: Path) -> None:
    package = deb(tmp_path / "tool.deb", {"usr/bin/tool": b"program"})
    assert file_in(package, "usr/bin/tool") == b"program"
    with pytest.raises(BundleError, match=r"tool\.deb has no file"):
        file_in(package, "usr/bin/other")


def test_an_image_archive_holds_together(tmp_path: Path) -> None:
    root, run = images.busybox(b"program", {"lib/libc.so.6": b"library"}, ["busybox", "sh", "ls"], "2")
    write_archive(tmp_path / "a.tar", "registry.test/busybox:2", root, run)
    with tarfile.open(tmp_path / "a.tar") as archive:
        read = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    described = json.loads(read["index.json"])["manifests"][0]
    assert described["annotations"]["io.containerd.image.name"] == "registry.test/busybox:2"
    manifest = json.loads(read["blobs/sha256/" + described["digest"].removeprefix("sha256:")])
    for each in (manifest["config"], *manifest["layers"]):
        assert len(read["blobs/sha256/" + each["digest"].removeprefix("sha256:")]) == each["size"]
    layer = read["blobs/sha256/" + manifest["layers"][0]["digest"].removeprefix("sha256:")]
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        entries = {member.name: member for member in archive}
        assert archive.extractfile(entries["etc/image-version"]).read() == b"2\n"  # type: ignore[union-attr]
    assert entries["bin/sh"].linkname == "busybox"
    assert entries["tmp"].mode == 0o1777


def test_the_pause_image_runs_as_nobody_in_particular() -> None:
    root, run = images.pause(b"program")
    assert (root.programs, run["Entrypoint"], run["User"]) == ({"pause"}, ["/pause", "-P"], "65535:65535")


def test_layers_are_reproducible() -> None:
    first, second = (RootFiles(files={"a": b"1"}, folders={"d": 0o755}, links={"l": "a"}) for _ in range(2))
    assert first.layer() == second.layer()
