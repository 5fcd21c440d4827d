"""Facts under Ansible's names: what is read where, and what is said when there is nothing to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kprov.provision.agent import facts, network_facts, system_facts
from kprov.provision.engine import gathered_facts

CPU = """processor\t: {number}
vendor_id\t: GenuineIntel
model name\t: Some CPU @ 2.00GHz
physical id\t: {socket}
cpu cores\t: 2
"""


@pytest.fixture
def files(monkeypatch: Any) -> dict[str, str]:
    texts: dict[str, str] = {}
    monkeypatch.setattr(system_facts, "_read", lambda path: texts.get(path, ""))
    return texts


def test_processors_are_counted_as_sockets_cores_and_threads(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = "\n".join(CPU.format(number=number, socket=number // 4) for number in range(8))
    found = system_facts.processors()
    assert found["ansible_processor"][:4] == ["0", "GenuineIntel", "Some CPU @ 2.00GHz", "1"]
    assert (found["ansible_processor_count"], found["ansible_processor_cores"]) == (2, 2)
    assert found["ansible_processor_threads_per_core"] == 2


def test_processors_that_say_little_are_counted_all_the_same(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = "processor : 0\nBogoMIPS : 50\n\nprocessor : 1\nBogoMIPS : 50\n"  # as on ARM
    found = system_facts.processors()
    assert (found["ansible_processor_count"], found["ansible_processor_cores"]) == (2, 1)
    files["/proc/cpuinfo"] = ""
    assert system_facts.processors()["ansible_processor_count"] == 1


def test_firmware_says_na_where_it_may_not_be_read(files: dict[str, str]) -> None:
    files["/sys/class/dmi/id/sys_vendor"] = "QEMU\n"
    found = system_facts.hardware()
    assert found["ansible_system_vendor"] == "QEMU"
    assert found["ansible_product_serial"] == "NA"


def test_the_kernels_command_line_is_a_mapping(files: dict[str, str]) -> None:
    files["/proc/cmdline"] = 'quiet console=tty0 console=ttyS0 root=UUID=1 dyndbg="file a +p"\n'
    found = system_facts.command_line()
    assert found["ansible_cmdline"] == {"quiet": True, "console": "ttyS0", "root": "UUID=1", "dyndbg": '"file a +p"'}
    assert found["ansible_proc_cmdline"]["console"] == ["tty0", "ttyS0"]


def test_names_are_asked_for_where_resolv_conf_says(files: dict[str, str]) -> None:
    files["/etc/resolv.conf"] = (
        "# x\nnameserver 192.0.2.1\nnameserver 192.0.2.2 # two\nsearch a b\noptions ndots:5 rotate\n"
    )
    assert system_facts.names()["ansible_dns"] == {
        "nameservers": ["192.0.2.1", "192.0.2.2"],
        "search": ["a", "b"],
        "options": {"ndots": "5", "rotate": True},
    }


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        ('{"a": [1]}', 0o644, {"a": [1]}),
        ("[one]\nTwo = 3\n", 0o644, {"one": {"two": "3"}}),
        ("#!/bin/sh\necho '{\"a\": 1}'\n", 0o755, {"a": 1}),
        ("#!/bin/sh\nexit 3\n", 0o755, "error: PATH ended with exit code 3: "),
        ("nonsense", 0o644, "error: PATH is neither JSON nor INI"),
    ],
)
def test_a_machine_has_facts_of_its_own(tmp_path: Path, text: str, mode: int, found: Any) -> None:
    path = tmp_path / "x.fact"
    path.write_text(text)
    path.chmod(mode)
    said = system_facts._own(str(path))
    assert said == (found.replace("PATH", str(path)) if isinstance(found, str) else found)


def test_interfaces_tell_both_families() -> None:
    lo = network_facts.gather().get("ansible_lo", {})
    assert lo.get("type") == "loopback" and lo["ipv4"]["address"] == "127.0.0.1"
    assert network_facts._ipv6("fe80::1", "ffff:ffff:ffff:ffff::") == {
        "address": "fe80::1",
        "prefix": "64",
        "scope": "link",
    }


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("eth0", "ansible_eth0"),
        ("vb-lab", "ansible_vb_lab"),
        ("bond0.100", "ansible_bond0.100"),
        ("a:1@!", "ansible_a_1__"),
    ],
)
def test_an_interface_of_any_name_has_a_fact_that_a_controller_takes(name: str, fact: str) -> None:
    assert network_facts._fact(name) == fact
    assert gathered_facts._NAME.fullmatch(fact)


def test_all_have_ansibles_names() -> None:
    found = facts.gather()
    assert all(name.startswith(("ansible_", "kprov_")) for name in found)
    assert {"ansible_env", "ansible_local", "ansible_lsb", "ansible_processor", "ansible_product_name"} <= set(found)
    assert {"ansible_user_dir", "ansible_dns", "ansible_domain", "ansible_cmdline", "ansible_machine"} <= set(found)
