"""What a sound inventory becomes: hosts, settings, precedence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kprov.provision.inventory import Inventory, InventoryErrors, load

Write = Callable[[str], Path]


def test_hosts_keep_their_order_and_are_typed(sound: Inventory) -> None:
    assert list(sound.hosts) == ["cp1", "cp2", "cp3", "node1", "node2"]
    cp1, node2 = sound.hosts["cp1"], sound.hosts["node2"]
    assert (cp1.address, cp1.node_address, cp1.port, cp1.user, cp1.become) == (
        "10.0.0.11",
        "10.0.0.11",
        22,
        "debian",
        True,
    )
    assert (node2.address, node2.node_address, node2.port) == ("10.0.0.22", "192.168.0.22", 2222)
    assert cp1.groups == ("all", "etcd", "site", "control_plane")
    assert [host.name for host in sound.group("site")] == ["cp1", "cp2", "cp3", "node1", "node2"]


def test_settings_have_defaults(sound: Inventory, tmp_path: Path) -> None:
    cluster = sound.cluster
    assert cluster.cluster_name == "demo"
    assert cluster.dns_address == "10.96.0.10"
    assert cluster.kubernetes_service_address == "10.96.0.1"
    assert cluster.state_directory == tmp_path / ".kprov" / "demo"
    assert sound.hosts["cp1"].variables["pod_network_cidr"] == "10.244.0.0/16"


def test_dns_address_follows_the_service_network(write: Write, sound_text: str) -> None:
    path = write(sound_text.replace("cluster_name: demo", "service_network_cidr: 172.20.0.0/20"))
    assert load(path).cluster.dns_address == "172.20.0.10"


@pytest.mark.parametrize(
    ("host", "variable", "value"),
    [
        ("cp1", "colour", "control_plane"),  # deeper than site and etcd
        ("cp1", "shade", "etcd"),
        ("cp1", "place", "here"),
        ("node1", "colour", "host"),
        ("node2", "colour", "node"),
    ],
)
def test_the_stronger_layer_wins(sound: Inventory, host: str, variable: str, value: str) -> None:
    assert sound.hosts[host].variables[variable] == value
    winner = sound.explain(host, variable).winner
    assert winner is not None and winner.value == value


def test_groups_of_one_depth_go_by_priority_then_by_name(write: Write, sound_text: str) -> None:
    text = sound_text.replace("vars: {colour: etcd, shade: etcd}", "vars: {colour: etcd, ansible_group_priority: 9}")
    flat = text.replace("    site:\n      children: {control_plane: , node: }\n", "    site:\n      hosts: {cp1: }\n")
    inventory = load(write(flat))
    assert inventory.hosts["cp1"].variables["colour"] == "etcd"
    assert inventory.hosts["node2"].variables["colour"] == "node"
    assert load(write(flat.replace(", ansible_group_priority: 9", ""))).hosts["cp1"].variables["colour"] == "site"


def test_extra_vars_are_the_strongest(write: Write, sound_text: str) -> None:
    inventory = load(write(sound_text), {"colour": "extra", "cluster_name": "other"})
    assert inventory.hosts["node1"].variables["colour"] == "extra"
    assert inventory.cluster.cluster_name == "other"
    assert inventory.hosts["node1"].variables["cluster_name"] == "other"
    assert [layer.kind for layer in inventory.explain("node1", "colour").layers] == [
        "all",
        "group",
        "group",
        "host",
        "extra vars",
    ]


def test_explain_says_file_and_line(sound: Inventory) -> None:
    layers = sound.explain("node1", "colour").layers
    assert [(layer.group, layer.value, layer.location and layer.location.line) for layer in layers] == [
        ("all", "all", 4),
        ("site", "site", 24),
        ("node", "node", 21),
        ("all", "host", 9),
    ]
    assert sound.explain("node1", "max_pods").layers[0].kind == "default"
    assert sound.explain("node1", "nobody_sets_this").winner is None


def test_mistakes_in_extra_vars_are_reported(write: Write, sound_text: str) -> None:
    with pytest.raises(InventoryErrors) as caught:
        load(write(sound_text), {"cluster_nmae": "x", "max_pods": "many"})
    assert {(p.file, p.message) for p in caught.value.problems} == {
        ("--extra-vars", "unknown variable cluster_nmae in --extra-vars"),
        ("--extra-vars", "max_pods must be a whole number, not text ('many')"),
    }


def test_names_of_role_defaults_are_no_typos(write: Write, sound_text: str) -> None:
    text = sound_text.replace("colour: all", "dns_adress: 1")
    with pytest.raises(InventoryErrors):
        load(write(text))
    load(write(text), also_known={"dns_adress"})


def test_a_wrong_value_is_reported_once_for_all_hosts(write: Write, sound_text: str) -> None:
    with pytest.raises(InventoryErrors) as caught:
        load(write(sound_text.replace("ansible_become: true", "ansible_port: 0")))
    assert [p.line for p in caught.value.problems] == [6]


def test_aliases_of_ansible_are_taken(write: Write, sound_text: str) -> None:
    inventory = load(write(sound_text.replace("ansible_user: debian", "ansible_ssh_user: admin")))
    assert inventory.hosts["cp1"].user == "admin"


@pytest.mark.parametrize("arguments", ["-J me@bastion:2222", "-o ProxyJump=me@bastion:2222"])
def test_a_jump_host_in_ssh_arguments(write: Write, arguments: str, sound_text: str) -> None:
    inventory = load(write(sound_text.replace("ansible_become: true", f'ansible_ssh_common_args: "{arguments}"')))
    assert inventory.hosts["cp1"].jump_host == "me@bastion:2222"


def test_merge_keys_and_anchors(write: Write, sound_text: str) -> None:
    text = sound_text.replace("  vars:\n    cluster", "  vars: &base\n    cluster", 1).replace(
        "node1: {ansible_host: 10.0.0.21, colour: host}", "node1: {<<: {rack: r1}, ansible_host: 10.0.0.21}"
    )
    assert load(write(text)).hosts["node1"].variables["rack"] == "r1"


def test_a_host_shows_no_secrets(write: Write, sound_text: str) -> None:
    inventory = load(write(sound_text.replace("ansible_become: true", "ansible_become_password: hush")))
    assert inventory.hosts["cp1"].become_password == "hush"
    assert "hush" not in repr(inventory.hosts["cp1"])


class TestVariableFiles:
    def test_they_are_stronger_than_the_inventorys_own_file(
        self, write: Write, sound_text: str, tmp_path: Path
    ) -> None:
        for name, text in {
            "group_vars/all.yml": "cluster_name: from-file\nshade: all-file\n",
            "group_vars/node/a.yaml": "colour: a\n",
            "group_vars/node/b.yaml": "colour: b\n",
            "host_vars/node1": "colour: host-file\n",
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        inventory = load(write(sound_text))
        assert inventory.cluster.cluster_name == "from-file"
        assert (
            inventory.hosts["cp1"].variables["shade"] == "all-file"
        )  # as in Ansible: files beat what stands in the inventory
        assert inventory.hosts["node2"].variables["colour"] == "b"
        winner = inventory.explain("node1", "colour").winner
        assert winner is not None and winner.value == "host-file"
        assert str(winner.location) == f"{tmp_path}/host_vars/node1:1"

    def test_their_mistakes(self, write: Write, sound_text: str, tmp_path: Path) -> None:
        for name, text in {
            "group_vars/nodes.yml": "x: 1\n",
            "group_vars/node.yml": "dns_domain: other\n",
            "host_vars/node1.yml": "ansible_prot: 22\n",
            "host_vars/node2.yml": "- a\n",
        }.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        with pytest.raises(InventoryErrors) as caught:
            load(write(sound_text))
        assert [(Path(p.file).name, p.line, p.suggestion) for p in caught.value.problems] == [
            ("node.yml", 1, "move dns_domain below `all:` `vars:`"),
            ("nodes.yml", None, "did you mean node?"),
            ("node1.yml", 1, "did you mean ansible_port?"),
            ("node2.yml", 1, "write each as `name:` with a colon, without a dash"),
        ]


class TestFiles:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InventoryErrors, match="no such file"):
            load(tmp_path / "none.yaml")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InventoryErrors, match="is a folder"):
            load(tmp_path)

    def test_not_text(self, tmp_path: Path) -> None:
        path = tmp_path / "x.yaml"
        path.write_bytes(b"all: \xff\xfe")
        with pytest.raises(InventoryErrors, match="not UTF-8"):
            load(path)

    @pytest.mark.parametrize(
        ("content", "mode", "message"),
        [
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o644, "can be read by others"),
            ("ssh-ed25519 AAAA\n", 0o600, "is not a private key"),
            (None, 0, "does not exist"),
        ],
    )
    def test_private_keys(
        self, write: Write, tmp_path: Path, content: str | None, mode: int, message: str, sound_text: str
    ) -> None:
        key = tmp_path / "key"
        if content is not None:
            key.write_text(content)
            key.chmod(mode)
        path = write(sound_text.replace("ansible_become: true", "ansible_ssh_private_key_file: key"))
        with pytest.raises(InventoryErrors, match=message) as caught:
            load(path)
        assert [p.line for p in caught.value.problems] == [6]
        assert load(path, check_files=False).hosts["cp1"].private_key_file == key

    def test_a_good_private_key(self, write: Write, tmp_path: Path, sound_text: str) -> None:
        (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        (tmp_path / "key").chmod(0o600)
        load(write(sound_text.replace("ansible_become: true", "ansible_ssh_private_key_file: key")))


class TestForms:
    """A cluster's inventory may have any of Ansible's forms."""

    INI = """\
[all:vars]
cluster_name=demo
ansible_user="{{ admin }}"
admin=debian
[etcd]
cp1 ansible_host=10.0.0.11
[control_plane]
cp1
[node]
node[1:2] max_pods=50
[node:vars]
ansible_host={{ '10.0.0.2' ~ inventory_number }}
"""

    def test_ini(self, tmp_path: Path) -> None:
        path = tmp_path / "hosts.ini"
        path.write_text(self.INI.replace("node[1:2]", "10.0.0.21").replace("ansible_host={{", "unused={{"))
        with pytest.raises(InventoryErrors, match="ansible_user is read before templates are"):
            load(path)
        inventory = load(path, render=lambda text, variables: text.replace("{{ admin }}", variables["admin"]))
        assert inventory.is_cluster and inventory.cluster.cluster_name == "demo"
        assert inventory.hosts["cp1"].user == "debian"
        assert inventory.hosts["10.0.0.21"].variables["max_pods"] == 50

    def test_its_mistakes_have_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "hosts.ini"
        path.write_text(
            "[all:vars]\nclutser_name=x\n[etcd]\ncp1 ansible_host=10.0.0.11\n[control_plane]\ncp1\n[nodes]\ncp1\n"
        )
        with pytest.raises(InventoryErrors) as caught:
            load(path, cluster=None)
        assert [str(problem).replace(str(path), "F") for problem in caught.value.problems] == [
            "F:2: unknown variable clutser_name in all.vars\n    did you mean cluster_name?",
            "F:7: group node is missing\n    rename nodes to node?",
        ]

    @pytest.mark.parametrize(
        ("arguments", "jump"),
        [
            ("-J me@bastion", "me@bastion"),
            ("-o StrictHostKeyChecking=no -o ProxyJump=bastion:2222", "bastion:2222"),
            ("-o ProxyCommand='ssh -W %h:%p -q -p 2222 me@bastion'", "me@bastion:2222"),
            ("-o ControlMaster=auto -o ControlPersist=60s", None),
        ],
    )
    def test_what_inventories_tell_ssh(self, tmp_path: Path, arguments: str, jump: str | None) -> None:
        path = tmp_path / "hosts.ini"
        path.write_text(f'[all]\nw1\n[all:vars]\nansible_ssh_common_args="{arguments}"\n')
        host = load(path, cluster=False).hosts["w1"]
        assert (host.jump_host, host.variables.get("kprov_jump_host")) == (jump, jump)

    def test_a_plain_one_has_what_ansible_has_and_no_more(self, tmp_path: Path) -> None:
        path = tmp_path / "hosts.ini"
        path.write_text("[web-servers]\nW_1 ansible_ssh_pass=1234 node_labels=[1] cluster_name='My Shop!'\n")
        inventory = load(path, cluster=None)
        host = inventory.hosts["W_1"]
        assert not inventory.is_cluster
        assert host.password == "1234" and host.groups == ("all", "web-servers")
        assert host.variables == {
            "ansible_ssh_pass": 1234,
            "ansible_password": "1234",
            "node_labels": [1],
            "cluster_name": "My Shop!",
            "inventory_file": str(path),
            "inventory_dir": str(tmp_path),
        }
        assert [warning.line for warning in inventory.warnings] == [1]
        assert inventory.cluster.state_directory == tmp_path / ".kprov" / "hosts"

    def test_a_list_of_names(self) -> None:
        inventory = load("10.0.0.1,w[1:2]:2222,", cluster=None)
        assert [(host.address, host.port) for host in inventory.hosts.values()] == [
            ("10.0.0.1", 22),
            ("w1", 2222),
            ("w2", 2222),
        ]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("x.toml", "", "is TOML"),
            ("x.yml", "plugin: aws_ec2\n", "can't run"),
            ("x.sh", "#!/bin/sh\nexit 3\n", "ended with code 3"),
            ("x.sh", "#!/bin/sh\necho no\n", "printed no JSON"),
            ("x.sh", "#!/bin/sh\necho '[]'\n", "printed a list"),
            ("x.sh", "#!/bin/sh\necho '{}'\n", "no _meta"),
            ("x.sh", '#!/bin/sh\necho \'{"_meta": {}, "a": 5}\'\n', "neither a list nor an object"),
            ("x.sh", "#!/no/such/shell\n", "can't be run"),
        ],
    )
    def test_what_is_refused(self, tmp_path: Path, name: str, text: str, message: str) -> None:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        with pytest.raises(InventoryErrors, match=message):
            load(path, cluster=False)
