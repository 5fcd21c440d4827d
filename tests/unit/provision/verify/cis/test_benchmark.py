"""The benchmark's rows are whole, and what was read on a machine is judged as kube-bench judges it."""

from __future__ import annotations

from typing import Any

import pytest

from kprov.provision.verify.cis.catalogue import BENCHMARKS, Met, rows
from kprov.provision.verify.cis.judging import flags_of, problems
from kprov.provision.verify.cis.reading import File, Machine, machine_of

KINDS = {"files", "process", "kubelet", "proxy", "providers", "differ"}
RULES = {"mode", "owner", "set", "unset", "is", "not", "has", "lacks", "at_least", "among"}
OF_KUBE_BENCH = {
    # How many kube-bench has of each section: master 1.1 to 1.4, etcd 2, control plane 3, node 4.
    "cis-1.20": {"1.1": 21, "1.2": 34, "1.3": 7, "1.4": 2, "2": 7, "3.1": 1, "3.2": 2, "4.1": 10, "4.2": 13},
    "cis-1.12": {"1.1": 21, "1.2": 30, "1.3": 7, "1.4": 2, "2": 7, "3.1": 3, "3.2": 2, "4.1": 10, "4.2": 14, "4.3": 1},
}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_every_id_of_kube_bench_has_its_row(benchmark: str) -> None:
    found = [row.ids[benchmark] for row in rows() if benchmark in row.ids]
    wanted = [
        f"{section}.{number}" for section, count in OF_KUBE_BENCH[benchmark].items() for number in range(1, count + 1)
    ]
    assert sorted(found) == sorted(wanted)


def test_rows_are_whole() -> None:
    for row in rows():
        assert row.title and row.how and row.group in ("all", "etcd", "control_plane"), row
        if row.met in (Met.DEFAULT, Met.PROFILE):
            assert row.check, f"{row.number} is said to be met, and nothing looks whether it is"
        for check in filter(None, [row.check]):
            assert len(KINDS & set(check)) == 1, check
            assert set(check) <= KINDS | RULES | {"flags", "or_unset", "own_kernel"}, check
            assert check.keys() & RULES or check.keys() & {"providers", "differ"}, check


API = ["kube-apiserver", "--authorization-mode=Node,RBAC", "--audit-log-maxage", "7", "--profiling"]


def file(path: str = "/x", mode: str = "0600", owner: str = "root:root", sha256: str = "") -> File:
    return File(path=path, mode=mode, owner=owner, sha256=sha256)


def machine(**more: Any) -> Machine:
    return Machine(processes={"kube-apiserver": API}, **more)


def flag(name: str, **rule: Any) -> dict[str, Any]:
    return {"process": "kube-apiserver", "flags": [name], **rule}


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        (flag("--authorization-mode", has="RBAC"), ""),
        (flag("--authorization-mode", has="Webhook"), "--authorization-mode is Node,RBAC, without Webhook"),
        (flag("--authorization-mode", lacks="AlwaysAllow"), ""),
        (flag("--authorization-mode", lacks="Node"), "--authorization-mode has Node"),
        (flag("--authorization-mode", among=["RBAC"]), "--authorization-mode has Node"),
        (flag("--audit-log-maxage", at_least=7), ""),
        (flag("--audit-log-maxage", at_least=30), "--audit-log-maxage is 7, and 30 is the least"),
        (flag("--profiling", at_least=1), "--profiling is true, and 1 is the least"),
        (flag("--profiling", **{"is": "false"}), "--profiling is true, not false"),
        (flag("--profiling", **{"not": "true"}), "--profiling is true"),
        (flag("--profiling", unset=True), "--profiling is set: true"),
        (flag("--token-auth-file", unset=True), ""),
        (flag("--auto-tls", **{"is": "false", "or_unset": True}), ""),
        (flag("--audit-log-path", set=True), "--audit-log-path is not set"),
        ({"process": "etcd", "flags": ["--cert-file"], "set": True}, "etcd does not run"),
    ],
)
def test_flags_are_judged(check: dict[str, Any], wrong: str) -> None:
    assert "; ".join(problems(check, machine())) == wrong


def test_files_are_judged() -> None:
    read = machine(files={"/x": [file(mode="0640")], "/k/*": [file("/k/a"), file("/k/b", owner="etcd:etcd")]})
    assert problems({"files": ["/x"], "mode": "0644"}, read) == []
    assert problems({"files": ["/x"], "mode": "0600"}, read) == ["/x has mode 0640, and 0600 is the most"]
    # Bits count, not numbers: 0604 is less than 0640, and lets everybody read.
    assert problems({"files": ["/x"], "mode": "0640"}, machine(files={"/x": [file(mode="0604")]}))
    assert problems({"files": ["/k/*"], "owner": "root:root"}, read) == ["/k/b belongs to etcd:etcd, not root:root"]
    assert problems({"files": ["/none"], "mode": "0600"}, read) == ["/none is missing"]
    assert problems({"files": ["/none/*"], "mode": "0600"}, read) == []


def test_configurations_are_judged() -> None:
    kubelet = {"authentication": {"anonymous": {"enabled": False}}, "tlsCipherSuites": ["A", "B"], "podPidsLimit": 10}
    read = machine(kubelet=kubelet)
    assert problems({"kubelet": "authentication.anonymous.enabled", "is": "false"}, read) == []
    assert problems({"kubelet": "tlsCipherSuites", "among": ["A", "B", "C"]}, read) == []
    assert problems({"kubelet": "tlsCipherSuites", "among": ["A"]}, read) == ["tlsCipherSuites has B"]
    assert problems({"kubelet": "seccompDefault", "is": "true"}, read) == ["seccompDefault is not set"]
    assert problems({"proxy": "metricsBindAddress", "set": True}, read) == [
        "the configuration of kube-proxy can't be read"
    ]
    kernel = {"kubelet": "protectKernelDefaults", "is": "true", "own_kernel": True}
    assert problems(kernel, read) == ["protectKernelDefaults is not set"]
    assert problems(kernel, machine(kubelet=kubelet, shares_its_kernel=True)) == []


def test_authorities_and_ciphers_are_judged() -> None:
    two = {"differ": ["/a.crt", "/b.crt"]}
    different = {"/a.crt": [file("/a.crt", sha256="1")], "/b.crt": [file("/b.crt", sha256="2")]}
    assert problems(two, machine(files=different)) == []
    same = {"/a.crt": [file("/a.crt", sha256="1")], "/b.crt": [file("/b.crt", sha256="1")]}
    assert problems(two, machine(files=same)) == ["/a.crt and /b.crt are the same"]
    assert problems({"providers": ["aescbc"]}, machine(provider="aescbc")) == []
    assert problems({"providers": ["aescbc"]}, machine(provider="identity"))
    assert problems({"providers": ["aescbc"]}, machine())


def test_flags_are_read_as_the_daemons_read_them() -> None:
    assert flags_of(["x", "--a=1=2", "--b", "two", "--c", "--d", "-v", "--e"]) == {
        "--a": "1=2",
        "--b": "two",
        "--c": "true",
        "--d": "true",
        "--e": "true",
    }


def test_a_configuration_that_is_no_mapping_is_none() -> None:
    said = {"processes": {}, "files": {}, "provider": "", "texts": {"/var/lib/kubelet/config.yaml": "- a: ["}}
    assert machine_of(said).kubelet is None
