"""``kprov inventory``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Kprov = Callable[..., Any]


def test_list(kprov: Kprov, inventory_file: Path) -> None:
    done = kprov("inventory", "list", "-i", inventory_file)
    assert done.code == 0
    assert done.out.splitlines() == [
        "HOST    SSH               NODE ADDRESS   GROUPS",
        "cp1     root@192.0.2.11   192.0.2.11     control_plane, etcd",
        "node1   root@192.0.2.21   192.0.2.21     node",
    ]


def test_list_as_json_hides_secrets(kprov: Kprov, inventory_file: Path) -> None:
    done = kprov("inventory", "list", "-i", inventory_file, "-l", "node", "-o", "json", "-e", "max_pods=50")
    host, summary = map(json.loads, done.out.splitlines())
    assert (host["name"], host["variables"]["max_pods"]) == ("node1", 50)
    assert host["variables"]["ansible_become_password"] == "********"
    assert summary["event"] == "summary" and summary["cluster"]["cluster_name"] == "demo"
    assert "hush" not in done.out


def test_graph(kprov: Kprov, inventory_file: Path) -> None:
    assert kprov("inventory", "graph", "-i", inventory_file).out.splitlines() == [
        "@all:",
        "  |--@etcd:",
        "  |  |--cp1",
        "  |--@control_plane:",
        "  |  |--cp1",
        "  |--@node:",
        "  |  |--node1",
    ]


def test_explain(kprov: Kprov, inventory_file: Path) -> None:
    done = kprov("inventory", "explain", "-i", inventory_file, "node1", "zone", "-e", "zone=north")
    assert [line.split()[:2] for line in done.out.splitlines()[1:]] == [["group", "node"], ["extra", "vars"]]
    assert f"{inventory_file}:9" in done.out
    assert done.out.rstrip().endswith("<- holds")


def test_explain_hides_secrets(kprov: Kprov, inventory_file: Path) -> None:
    for form in ("text", "json"):
        done = kprov("inventory", "explain", "-i", inventory_file, "cp1", "ansible_become_password", "-o", form)
        assert "********" in done.out and "hush" not in done.out


def test_explain_what_nobody_sets(kprov: Kprov, inventory_file: Path) -> None:
    done = kprov("inventory", "explain", "-i", inventory_file, "cp1", "nothing")
    assert done.code == 1
    assert "nothing in" in done.err


class TestVagrant:
    CONFIG = """\
Host cp1
  HostName 127.0.0.1
  User vagrant
  Port 2222
  UserKnownHostsFile /dev/null
  StrictHostKeyChecking no
  PasswordAuthentication no
  IdentityFile "{key}"
  IdentitiesOnly yes
  LogLevel FATAL

Host worker1
  HostName 127.0.0.1
  User vagrant
  Port 2200
  IdentityFile {key}
"""

    def test_a_valid_inventory_comes_out(self, kprov: Kprov, tmp_path: Path) -> None:
        key = tmp_path / "a folder" / "private_key"
        key.parent.mkdir()
        key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        key.chmod(0o600)
        config = tmp_path / "ssh-config"
        config.write_text(self.CONFIG.replace('"{key}"', f'"{key}"').replace("{key}", str(key).replace(" ", "\\ ")))
        vagrantfile = Path(__file__).resolve().parents[3] / "inventories" / "vagrant"
        target = tmp_path / "vagrant.yaml"
        done = kprov("inventory", "import", "vagrant", "-d", vagrantfile, "--ssh-config", config, "--to", target)
        assert done.code == 0, done.err
        from kprov.provision.inventory import load

        inventory = load(target)
        cp1, worker1 = inventory.hosts["cp1"], inventory.hosts["worker1"]
        assert (cp1.address, cp1.port, cp1.user, cp1.become) == ("127.0.0.1", 2222, "vagrant", True)
        assert cp1.private_key_file == worker1.private_key_file == key
        assert (cp1.node_address, worker1.node_address) == ("192.168.56.11", "192.168.56.21")
        assert cp1.groups == ("all", "control_plane", "etcd")
        assert worker1.groups == ("all", "node")

    def test_unknown_addresses_are_asked_for(self, kprov: Kprov, tmp_path: Path) -> None:
        config = tmp_path / "ssh-config"
        config.write_text("Host cp1\n  HostName 127.0.0.1\n  Port 2222\n")
        done = kprov("inventory", "import", "vagrant", "-d", tmp_path, "--ssh-config", config)
        assert done.code == 1
        assert "--address cp1=192.168.56.11" in done.err
        done = kprov("inventory", "import", "vagrant", "--ssh-config", config, "--address", "cp1=10.1.1.1")
        assert done.code == 0
        assert "node_address: 10.1.1.1" in done.out
        done = kprov("inventory", "import", "vagrant", "--ssh-config", config, "--address", "cp2=10.1.1.1")
        assert "no such machine" in done.err

    def test_addresses_beside_definitions(self, tmp_path: Path) -> None:
        from kprov.provision.inventory.vagrant import _addresses_in_vagrantfile

        (tmp_path / "Vagrantfile").write_text(
            'config.vm.define "a" do |m|\n  m.vm.network :private_network, ip: "10.0.0.2" # no: "10.0.0.9"\nend\n'
            "config.vm.define :b do |m|\n  m.vm.network 'private_network', :ip => '10.0.0.3'\nend\n"
        )
        assert _addresses_in_vagrantfile(tmp_path / "Vagrantfile") == {"a": "10.0.0.2", "b": "10.0.0.3"}

    def test_what_can_not_be_read(self, kprov: Kprov, tmp_path: Path) -> None:
        config = tmp_path / "ssh-config"
        for text, message in (("", "vagrant up"), ("Port 1\n", "before the first Host"), ("Host a\n User\n", "line 2")):
            config.write_text(text)
            done = kprov("inventory", "import", "vagrant", "--ssh-config", config)
            assert done.code == 1
            assert message in done.err
        assert "no Vagrantfile" in kprov("inventory", "import", "vagrant", "-d", tmp_path).err
