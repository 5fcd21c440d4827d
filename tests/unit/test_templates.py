"""Every template, rendered for a machine of a known cluster, is as its golden file says.

``KPROV_UPDATE_GOLDEN=1 pytest tests/unit/test_templates.py`` writes the golden files anew: read the difference.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kprov.kube.api.cipher_suites import openssl_ciphers
from kprov.kube.kubelet.config import parse_config
from kprov.provision.cluster.context import STRONG_CIPHER_SUITES
from kprov.provision.inventory import load

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
GOLDEN = ROOT / "tests" / "golden"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.j2"))

INVENTORY = """
all:
  vars: {cluster_name: golden, api_virtual_address: 192.0.2.9}
  children:
    etcd: {hosts: {"cp[1:3]": {}}}
    control_plane:
      hosts:
        cp1: {ansible_host: 192.0.2.11}
        cp2: {ansible_host: 192.0.2.12}
        cp3: {ansible_host: 192.0.2.13}
    node: {hosts: {w1: {ansible_host: 192.0.2.21}}}
"""


def role_defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        found.update(yaml.safe_load(path.read_text()) or {})
    return found


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("inventory") / "inventory.yaml"
    path.write_text(INVENTORY)
    inventory = load(path)
    host = inventory.hosts["cp1"]
    return {
        **role_defaults(),
        **host.variables,
        "inventory_hostname": host.name,
        "group_names": list(host.groups),
        "groups": {name: [h.name for h in inventory.group(name)] for name in ("all", "etcd", "control_plane", "node")},
        "hostvars": {name: h.variables for name, h in inventory.hosts.items()},
        "kprov_interface_of": {host.node_address: "eth0"},
        "machine_is_container": False,
        "strong_cipher_suites": STRONG_CIPHER_SUITES,
        "cgroup_driver": "systemd",
        "pause_image": "registry.kprov.local/pause:1",
        "bootstrap_token": "abcdef.0123456789abcdef",
        "encryption_configuration": {"kind": "EncryptionConfiguration"},
        "kubeconfig_user": "system:kube-scheduler",
        "kubeconfig_certificate": "scheduler",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_template_renders_as_its_golden_file(name: str, variables: dict[str, Any]) -> None:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    environment.filters["to_json"] = json.dumps
    rendered = environment.get_template(name).render(variables)
    golden = GOLDEN / name.removesuffix(".j2")
    if os.environ.get("KPROV_UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(rendered)
    wanted = golden.read_text()
    difference = difflib.unified_diff(wanted.splitlines(), rendered.splitlines(), str(golden), name, lineterm="")
    assert rendered == wanted, "\n".join(difference)


def test_every_golden_file_has_its_template() -> None:
    files = {str(path.relative_to(GOLDEN)) + ".j2" for path in GOLDEN.rglob("*") if path.is_file()}
    assert files == set(NAMES)


def test_what_is_yaml_is_valid_yaml() -> None:
    for path in GOLDEN.rglob("*"):
        if (path.suffix == ".yaml" or path.parent.name == "kubeconfig") and path.is_file():
            assert list(yaml.safe_load_all(path.read_text())), path


def test_an_api_server_asks_the_member_of_its_own_machine_first(variables: dict[str, Any]) -> None:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined)
    template = environment.get_template("kube-apiserver/kube-apiserver.service.j2")

    def asked(name: str, **more: Any) -> list[str]:
        server = template.render({**variables, "inventory_hostname": name, **more})
        addresses = {host["node_address"]: each for each, host in variables["hostvars"].items()}
        (flag,) = re.findall(r"--etcd-servers=(\S+)", server)
        return [addresses[re.sub(r"https://|:2379", "", url)] for url in flag.split(",")]

    members = variables["groups"]["etcd"]
    assert len(members) > 1
    for name in members:
        assert asked(name) == [name, *(each for each in members if each != name)]
    assert asked("elsewhere") == members
    assert asked(members[1], lost_etcd_members=[members[0]]) == list(members[1:])


def test_a_single_machine_shares_its_address_with_no_peer(variables: dict[str, Any]) -> None:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined)
    template = environment.get_template("keepalived/keepalived.conf.j2")
    assert "unicast_peer {" in template.render(variables)
    alone = template.render({**variables, "groups": {**variables["groups"], "control_plane": ["cp1"]}})
    assert "unicast" not in alone  # keepalived's own check refuses a list without a peer
    assert alone.count("{") == alone.count("}")


def test_the_profile_cis_adds_what_it_is_for(variables: dict[str, Any]) -> None:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    environment.filters["to_json"] = json.dumps
    profile = {**variables, "security_profile": "cis"}
    server = environment.get_template("kube-apiserver/kube-apiserver.service.j2").render(profile)
    flags = dict(re.findall(r"^  (--[a-z-]+)=(.*?)(?: \\)?$", server, re.MULTILINE))
    assert flags["--enable-admission-plugins"] == "NodeRestriction,DenyServiceExternalIPs"
    assert flags["--service-account-extend-token-expiration"] == "false"
    openssl_ciphers(flags["--tls-cipher-suites"].split(","))  # each is known to the daemons
    kubelet = environment.get_template("kubelet/config.yaml.j2")
    config = parse_config(yaml.safe_load(kubelet.render(profile)))
    assert (config.seccomp_default, config.pod_pids_limit, config.protect_kernel_defaults) == (True, 4096, True)
    assert config.tls_cipher_suites == STRONG_CIPHER_SUITES
    shared = parse_config(yaml.safe_load(kubelet.render({**profile, "machine_is_container": True})))
    assert not shared.protect_kernel_defaults  # its host decides
