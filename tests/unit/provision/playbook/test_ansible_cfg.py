"""ansible.cfg: which one is read, what of it holds, what is said of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kprov.cli.main import run as kprov
from kprov.provision.engine.session import HostSession
from kprov.provision.inventory import load
from kprov.provision.playbook import ansible_cfg, read_playbooks
from kprov.provision.playbook.ansible_cfg import AnsibleCfg, AnsibleCfgError

EVERYTHING = """
[defaults]
inventory = hosts.ini
roles_path = ext:"/quoted":{{CWD}}/here:$TEST_ROLES ; four folders
collections_paths = cols
remote_user = 'deploy'
private_key_file = ~/key
vault_password_file = pass
nocows = 1
gathering = smart
interpreter_python = auto_silent
[privilege_escalation]
become = yes
become_user = app
become_method = sudo
[ssh_connection]
ssh_args = -C -o ControlMaster=auto -o ControlPersist=60s
pipelining = True
[colors]
changed = purple
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AnsibleCfg]:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("TEST_ROLES", "/roles/by/variable")

    def of(text: str) -> AnsibleCfg:
        (tmp_path / "ansible.cfg").write_text(text)
        return ansible_cfg.read(tmp_path / "ansible.cfg", Path("/cwd"))

    return of


def test_what_is_followed(read: Callable[[str], AnsibleCfg], tmp_path: Path) -> None:
    assert read(EVERYTHING.replace('"/quoted"', "/other")) == AnsibleCfg(
        tmp_path / "ansible.cfg",
        tmp_path / "hosts.ini",
        (tmp_path / "ext", Path("/other"), Path("/cwd/here"), Path("/roles/by/variable")),
        (tmp_path / "cols",),
        "deploy",
        Path("/home/me/key"),
        tmp_path / "pass",
        become=True,
        become_user="app",
    )
    assert ansible_cfg.read(None, tmp_path) == AnsibleCfg()


@pytest.mark.parametrize(
    "text",
    [
        "[defaults]\nhost_key_checking = False",
        "[defaults]\ngathering = explicit",
        "[defaults]\nhash_behaviour = merge",
        "[defaults]\ninterpreter_python = /opt/python",
        "[defaults]\nof_next_year = 1",
        "[privilege_escalation]\nbecome_method = su",
        "[ssh_connection]\nssh_args = -C -o ProxyJump=bastion",
        "[ssh_connection]\nssh_args = -oControlMaster=auto -F my_config",
        "[ssh_connection]\nssh_args = -o ControlPersist=60s -i key",
        "[tags]\nskip = slow",
        "[diff]\nalways = True",
    ],
)
def test_what_is_not_followed_is_named(read: Callable[[str], AnsibleCfg], text: str) -> None:
    section, line = text.split("\n")
    assert read(text).others == (f"{section.strip('[]')}.{line.partition(' ')[0]}",)


def test_the_environment_is_stronger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "ansible.cfg").write_text("[defaults]\nremote_user = deploy\nroles_path = a\nhash_behaviour = merge\n")
    told = {
        "ANSIBLE_REMOTE_USER": "me",
        "ANSIBLE_ROLES_PATH": "b:~/c",
        "ANSIBLE_BECOME": "true",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
        "ANSIBLE_SSH_ARGS": "-o ControlPersist=60s",
        "ANSIBLE_RUN_TAGS": "fast",
        "ANSIBLE_NO_LOG": "",
        "ANSIBLE_OF_MINE": "x",
    }
    assert ansible_cfg.read(tmp_path / "ansible.cfg", Path("/cwd"), told) == AnsibleCfg(
        tmp_path / "ansible.cfg",
        roles_path=(Path("/cwd/b"), Path("/home/me/c")),
        remote_user="me",
        become=True,
        others=("defaults.hash_behaviour",),
        variables=("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_RUN_TAGS"),
    )
    assert ansible_cfg.read(None, Path("/cwd"), {"ANSIBLE_INVENTORY": "hosts"}).inventory == Path("/cwd/hosts")
    with pytest.raises(AnsibleCfgError, match="ANSIBLE_BECOME says 'become = perhaps'"):
        ansible_cfg.read(None, Path("/cwd"), {"ANSIBLE_BECOME": "perhaps"})


def test_of_several_inventories_none_is_taken(read: Callable[[str], AnsibleCfg]) -> None:
    found = read("[defaults]\ninventory = a,b")
    assert found.inventory is None and found.others == ("defaults.inventory (kprov takes one)",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inventory = hosts", "no section headers"),
        ("[defaults]\nroles_path = a\nroles_path = b", "already exists"),
        ("[privilege_escalation]\nbecome = perhaps", "'become = perhaps', which is neither true nor false"),
        ("[defaults]\nx = \udcff", r"is not UTF-8 text \(byte 15\)"),
        ("[defaults]\nroles_path = a\0b", "a NUL byte"),
        ("[defaults]\n#" + "x" * 2**20, "larger than 1 MiB"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "ansible.cfg"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(AnsibleCfgError, match=words) as told:
        ansible_cfg.read(path, tmp_path)
    assert str(path) in str(told.value)


def test_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    here, other, warned = tmp_path / "here", tmp_path / "other", list[str]()
    for folder in (here, other, tmp_path / "home"):
        folder.mkdir()
    usual = ansible_cfg.find(here, warned.append, {})
    assert usual is None or usual == Path("/etc/ansible/ansible.cfg")
    (tmp_path / "home" / ".ansible.cfg").touch()
    assert ansible_cfg.find(here, warned.append, {}) == tmp_path / "home" / ".ansible.cfg"
    (here / "ansible.cfg").touch()
    assert ansible_cfg.find(here, warned.append, {}) == here / "ansible.cfg"
    here.chmod(0o777)
    assert ansible_cfg.find(here, warned.append, {}) == tmp_path / "home" / ".ansible.cfg", (
        "anybody could have put it there"
    )
    assert warned == [f"{here}/ansible.cfg is not read, as everyone may write to that folder: chmod o-w {here}"]
    (other / "ansible.cfg").touch()
    assert ansible_cfg.find(here, warned.append, {"ANSIBLE_CONFIG": str(other)}) == other / "ansible.cfg"
    assert (
        ansible_cfg.find(here, warned.append, {"ANSIBLE_CONFIG": str(other / "ansible.cfg")}) == other / "ansible.cfg"
    )


def test_a_run_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = inv\nroles_path = ext\ntransport = winrm\n")
    (tmp_path / "inv").write_text("web ansible_connection=local\n")
    (tmp_path / "inventory.yaml").write_text("all: {hosts: {another: {}}}\n")
    (tmp_path / "ext/mine/tasks").mkdir(parents=True)
    (tmp_path / "ext/mine/tasks/main.yml").write_text("- debug: {msg: 'on {{ inventory_hostname }}'}\n")
    (tmp_path / "site.yml").write_text("- hosts: all\n  gather_facts: false\n  roles: [mine]\n")
    assert kprov(["run", "site.yml", "--list-hosts"]) == 0
    shown = capfd.readouterr()
    assert "web" in shown.out and "another" not in shown.out
    assert "ansible.cfg: kprov does not follow defaults.transport" in shown.err
    assert kprov(["run", "site.yml", "-i", "no-such-file"]) == 2, "what the command line says is stronger"
    (tmp_path / "ansible.cfg").write_text("inventory = inv\n")
    capfd.readouterr()
    assert kprov(["run", "site.yml", "--list-hosts"]) == 2
    assert f"kprov: {tmp_path}/ansible.cfg can't be read: File contains no section headers" in capfd.readouterr().err


def test_what_is_asked_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_GATHERING", "explicit")
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory = inv\nlibrary = mine\n")
    (tmp_path / "inv").write_text("web ansible_connection=local\n")
    assert kprov(["exec", "echo $((6 * 7))"]) == 0
    shown = capfd.readouterr()
    assert "web: exit code 0\n42" in shown.out
    assert "ansible.cfg: kprov does not follow defaults.library" in shown.err
    assert "the environment: kprov does not follow ANSIBLE_GATHERING" in shown.err
    assert kprov(["module", "ping"]) == 0
    assert "web: ok" in capfd.readouterr().out
    assert kprov(["exec", "true", "-i", "no-such-file"]) == 2, "what the command line says is stronger"


def test_a_host_that_no_play_is_for(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text(
        "all: {hosts: {plain: {}, told: {ansible_user: own, ansible_become: false}}}\n"
    )
    inventory = load(tmp_path / "hosts.yaml", cluster=False)
    sessions = [HostSession(host, {}) for host in inventory.hosts.values()]
    for session in sessions:
        AnsibleCfg(remote_user="me", become=True).apply_to(session)
    assert [(session.host.user, session.become) for session in sessions] == [("me", True), ("own", None)]
    AnsibleCfg().apply_to(sessions[0])
    assert (sessions[0].host.user, sessions[0].become) == ("me", True)


def test_plays_and_the_inventory_are_stronger(tmp_path: Path) -> None:
    own, usual = tmp_path / "own", tmp_path / "usual"
    own.touch(mode=0o600), usual.touch(mode=0o600)
    (tmp_path / "hosts.yaml").write_text(
        f"all: {{hosts: {{plain: {{}}, keyed: {{ansible_ssh_private_key_file: {own}}}}}}}\n"
    )
    (tmp_path / "site.yml").write_text(
        "- {hosts: all, tasks: []}\n- {hosts: all, remote_user: other, become: false, become_user: x, tasks: []}\n"
    )
    book = read_playbooks([tmp_path / "site.yml"])
    AnsibleCfg(remote_user="me", become=True, become_user="app").apply(book)
    says = [(play.remote_user, play.frame.become, play.frame.become_user) for play in book.plays]
    assert says == [("me", True, "app"), ("other", False, "x")]

    inventory = load(tmp_path / "hosts.yaml", cluster=False, private_key_file=usual)
    inventory.add("later", (), {})
    inventory.add("plain", ("more",), {})
    for name, key in {"plain": usual, "keyed": own, "later": usual}.items():
        host = inventory.hosts[name]
        assert (host.private_key_file, host.variables["ansible_ssh_private_key_file"]) == (key, str(key))


def test_how_a_clusters_machines_are_connected_to_is_said_in_its_inventory(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o600)
    groups = "etcd: {hosts: {a: {}}}, control_plane: {hosts: {a: {}}}, node: {hosts: {a: {}}}"
    (tmp_path / "cluster.yaml").write_text(
        f"all: {{hosts: {{a: {{ansible_host: 10.1.2.3}}}}, vars: {{cluster_name: c}}, children: {{{groups}}}}}\n"
    )
    inventory = load(tmp_path / "cluster.yaml", cluster=None, private_key_file=tmp_path / "key")
    assert inventory.is_cluster
    assert (inventory.hosts["a"].user, inventory.hosts["a"].private_key_file) == ("root", None)
    told = AnsibleCfg(remote_user="me", private_key_file=tmp_path / "key", become=True, become_user="app")
    assert told.of(inventory) == AnsibleCfg(become=True, become_user="app")
