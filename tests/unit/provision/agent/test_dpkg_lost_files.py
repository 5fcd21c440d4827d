"""A package that has lost a program is told from one that has lost what nobody runs, or what was diverted."""

from __future__ import annotations

from pathlib import Path

from kprov.provision.agent.dpkg import Package, lost_files


def test_lost_programs_are_found(tmp_path: Path) -> None:
    (tmp_path / "info").mkdir()
    files = ["/usr/bin", "/bin/sh", "/usr/lib/kprov-none/a.so", "/usr/sbin/kprov-none", "/usr/share/doc/kprov-none"]
    (tmp_path / "info/one.list").write_text("\n".join(files) + "\n")
    (tmp_path / "info/two:amd64.list").write_text("/usr/bin/kprov-none-either\n")
    one, two = (Package(name, "1", "amd64", "install ok installed") for name in ("one", "two"))
    assert lost_files(one, str(tmp_path)) == ["/usr/lib/kprov-none/a.so", "/usr/sbin/kprov-none"]
    assert lost_files(two, str(tmp_path)) == ["/usr/bin/kprov-none-either"]
    (tmp_path / "diversions").write_text("/usr/sbin/kprov-none\n/usr/sbin/kprov-none.distrib\nother\n")
    assert lost_files(one, str(tmp_path)) == ["/usr/lib/kprov-none/a.so"]
    assert lost_files(Package("three", "1", "amd64", "install ok installed"), str(tmp_path)) == []
