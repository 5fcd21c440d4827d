"""The bundle's store: whole files only, checked, and none that nobody needs."""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path

import pytest

from kprov.provision.bundle import Bundle, BundleError, Image, Package
from kprov.provision.bundle.bundle import default_directory
from kprov.provision.bundle.manifest import Artifact, DaemonRelease, Manifest
from kprov.provision.bundle.store import Store


def add(store: Store, name: str, content: bytes) -> dict[str, object]:
    source = store.folder / "new"
    source.write_bytes(content)
    artifact = store.add(source, name)
    return {"sha256": artifact.sha256, "size": artifact.size, "file": artifact.file, "path": artifact.path}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle of three packages, one release and one image."""
    store = Store(tmp_path)
    with store.locked():
        rows = [
            Package(
                **add(store, f"{name}.deb", name.encode()), name=name, version="1", architecture="amd64", depends=need
            )
            for name, need in (("libx", ()), ("tool", ("libx",)), ("other", ()))
        ]
        archives = tuple(Artifact(**add(store, f"{name}.tar.gz", name.encode())) for name in ("libraries", "daemons"))
        image = Image(**add(store, "image.tar", b"image"), name="registry.test/image:1")
        store.save(
            Manifest(
                packages={"12": rows},
                libraries={"12": archives[0]},
                daemons={"12": DaemonRelease("0.1.0+ab", archives)},
                images=[image],
                keys={"base 12": "libc6 bash"},
            )
        )
    return Bundle.open(tmp_path)


def test_packages_come_with_what_they_need_in_order(bundle: Bundle) -> None:
    assert [each.name for each in bundle.packages("12", ["tool", "libc6"])] == ["libx", "tool"]
    assert [each.name for each in bundle.packages("bookworm", ["other"])] == ["other"]
    assert all(each.path.is_file() for each in bundle.packages("12", ["tool", "other"]))


@pytest.mark.parametrize(("release", "names"), [("13", ["tool"]), ("12", ["unknown"])])
def test_what_the_bundle_lacks_is_an_error(bundle: Bundle, release: str, names: list[str]) -> None:
    with pytest.raises(BundleError):
        bundle.packages(release, names)


def test_daemons_and_images(bundle: Bundle) -> None:
    release = bundle.release_for("12")
    assert release.version == "0.1.0+ab"
    assert [archive.path.name.endswith(".tar.gz") for archive in release.archives] == [True, True]
    assert [image.name for image in bundle.images()] == ["registry.test/image:1"]
    with pytest.raises(BundleError, match="kprov bundle build"):
        bundle.release_for("13")


@pytest.mark.parametrize("harm", ["other content", "longer content", "gone"])
def test_a_damaged_file_is_found(bundle: Bundle, harm: str) -> None:
    path = bundle.packages("12", ["other"])[0].path
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"OTHER" if harm == "other content" else b"other and more")
    with pytest.raises(BundleError, match=r"other\.deb is"):
        Bundle.open(bundle.folder)


def test_no_bundle_is_told_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="kprov bundle build"):
        Bundle.open(tmp_path)


def test_a_manifest_of_another_format_counts_as_none(bundle: Bundle) -> None:
    manifest = bundle.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 0'))
    with pytest.raises(BundleError):
        Bundle.open(bundle.folder)


def test_what_two_manifests_no_longer_name_is_removed(bundle: Bundle) -> None:
    store = Store(bundle.folder)
    image = bundle.images()[0].path
    manifest = store.load()
    assert manifest is not None
    manifest.images = []
    store.save(manifest)
    assert image.exists()  # a run that started before may still ship it
    manifest.keys["x"] = "y"
    store.save(manifest)
    assert not image.exists()


def test_work_of_a_killed_build_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.locked():
        (tmp_path / ".work-dead").mkdir()
        store.clear_scratch()
    assert not (tmp_path / ".work-dead").exists()


def test_who_waits_for_the_store_is_told_for_whom(tmp_path: Path) -> None:
    told: queue.Queue[str] = queue.Queue()
    entered = threading.Event()

    def second() -> None:
        with Store(tmp_path).locked(told.put):
            entered.set()

    thread = threading.Thread(target=second)
    with Store(tmp_path).locked(told.put):
        thread.start()
        assert told.get(timeout=20) == f"waiting for process {os.getpid()}, which works on the bundle in {tmp_path}"
        assert not entered.is_set()
    thread.join()
    assert entered.is_set() and told.empty()


def test_the_environment_says_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KPROV_BUNDLE", str(tmp_path))
    assert default_directory() == tmp_path
    monkeypatch.delenv("KPROV_BUNDLE")
    assert default_directory() != tmp_path
