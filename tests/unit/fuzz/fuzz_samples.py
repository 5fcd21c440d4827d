"""What fuzzing begins with: sound samples of each kind, words that mean something, and what is known to hurt."""

from __future__ import annotations

import random
import struct
from functools import cache
from pathlib import Path

import yaml
from fuzz_own_samples import WORDS as OWN_WORDS
from fuzz_own_samples import own_samples

from kprov.provision.vault import PasswordSource, Vault

TESTS = Path(__file__).resolve().parents[1]
CASES = TESTS / "provision" / "inventory"
ROLES = TESTS.parents[1] / "roles"

YAML_WORDS = [
    *("all:", "hosts:", "vars:", "children:", "etcd:", "control_plane:", "node:", "web:", "plugin: x", "- ", "? "),
    *(
        "{",
        "}",
        "[",
        "]",
        ": ",
        "&a ",
        "*a",
        "<<: *a",
        "!vault ",
        "!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3",
        "!unsafe ",
    ),
    *("!!int ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!python/name:os.system ", "!!float ", "!!null x"),
    *(
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "|\n",
        ">-\n",
        '"',
        "'",
        "#",
        "\t",
        "\n",
        "\n  ",
        "\n    ",
        " ",
        "~",
        "yes",
        ".inf",
    ),
    *(
        "2001-13-41",
        "1:30",
        "0o17",
        "9" * 5000,
        "1e999",
        "ansible_port: ",
        "ansible_host: ",
        "ansible_group_priority: x",
    ),
    *(
        "{{ a }}",
        "{% for %}",
        "{{",
        "w[1:3]",
        "w[0:99999999999]",
        "w[z:a]",
        "a:22",
        "\ufeff",
        "\x00",
        "\x85",
        "\u2028",
        "é",
    ),
]
INI_WORDS = [
    *(
        "[web]\n",
        "[web:vars]\n",
        "[web:children]\n",
        "[all:vars]\n",
        "[ungrouped]\n",
        "[x:y]\n",
        "[",
        "]",
        ":",
        "\n",
        " ",
    ),
    *(
        "w1",
        "w[1:3]",
        "w[01:03:2]",
        "w[a:C]",
        "w[0:99999999999]",
        "w[" * 20,
        "[2001:db8::1]:22",
        "a:22",
        "a:99999",
        "=",
        " x=",
    ),
    *(
        "ansible_port=",
        "ansible_host=",
        "ansible_group_priority=",
        "'",
        '"',
        "\\",
        "#",
        ";",
        "{",
        "}",
        "[" * 300,
        "(" * 300,
    ),
    *(
        "1" * 5000,
        "-" * 3000 + "1",
        "b'\xff'",
        "1j",
        "...",
        "{1: [2]}",
        "{[]: 1}",
        "0x",
        "---",
        "\t",
        "\r",
        "\x00",
        "\x0b",
        "é",
    ),
]
TASK_WORDS = [
    *YAML_WORDS,
    *(
        "- hosts: all\n",
        "  tasks:\n",
        "  roles:\n",
        "- name: x\n",
        "  copy: ",
        "  command: ",
        "  block:\n",
        "  rescue:\n",
        "  loop: ",
    ),
    *(
        "  when: ",
        "  register: x\n",
        "  notify: h\n",
        "  until: ",
        "  include_tasks: main.yml\n",
        "  import_tasks: main.yml\n",
    ),
    *(
        "  include_role: ",
        "  import_playbook: playbook.yml\n",
        "  vars:\n",
        "  args: ",
        "  delegate_to: ",
        "  serial: ",
        "'{{ ' * 9",
    ),
    *(
        "  vars_files: ",
        "  tags: ",
        "  meta: ",
        "  set_fact: ",
        "  listen: ",
        "  with_items: ",
        "  with_dict: ",
        "  retries: ",
    ),
]
TEMPLATE_WORDS = [
    *(
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{#",
        "#}",
        "{{ a }}",
        "{{ ring }}",
        "{{ map.k }}",
        "| default(1) ",
        "| to_json ",
        "| combine(map) ",
    ),
    *(
        "| regex_replace('(a', 'b') ",
        "| from_yaml ",
        "| from_json ",
        "| b64decode ",
        "| ipaddr('x') ",
        "| int ",
        "| hash('md9') ",
    ),
    *(
        "is defined ",
        "is match('(') ",
        "is version('x', '>') ",
        "for i in list ",
        "endfor ",
        "if a ",
        "endif ",
        "set x = 1 ",
        "macro m() ",
    ),
    *(
        "lookup('env', 'HOME') ",
        "text ",
        "list ",
        "map ",
        "[0] ",
        ".x ",
        "(",
        ")",
        "[",
        "]",
        "+ ",
        "* ",
        "** ",
        "'",
        '"',
        "\n",
        "omit ",
    ),
]
PATTERN_WORDS = [
    ":",
    ",",
    "&",
    "!",
    "~",
    "*",
    "?",
    "[",
    "]",
    "[0]",
    "[1:]",
    "[-1]",
    "(",
    ")",
    "etcd",
    "cp1",
    "all",
    "@",
    "\\",
    " ",
    "a" * 99,
]
FRAME_WORDS = [
    *(
        "\x00\x00\x00\x02\x00\x00\x00\x00{}",
        '{"op":"result","id":1,"result":{}}',
        '{"op":"alive"}',
        '{"op":"need","sha256":"',
        "[" * 200,
    ),
    *(
        "{",
        "}",
        "NaN",
        "1e999",
        '"seconds":-1',
        "\xff\xff\xff\xff",
        "\x00",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ),
]
VAULT_WORDS = [
    "$ANSIBLE_VAULT",
    ";1.1",
    ";1.2",
    ";1.0",
    ";AES256",
    ";AES",
    ";x",
    "\n",
    "\r\n",
    "0a",
    "30",
    "ff",
    "é",
    " ",
    "00" * 200,
]


@cache
def samples(target: str) -> tuple[list[bytes], list[bytes]]:
    """Samples and words for a target."""
    own = own_samples(target)
    words = _words(target) if own is None else OWN_WORDS
    return own or _samples(target), [word.encode("utf-8", "replace") for word in words]


def _words(target: str) -> list[str]:
    match target:
        case "inventory_yaml" | "group_vars" | "extra_vars_text":
            return YAML_WORDS
        case "inventory_ini" | "host_range" | "ssh_config" | "ansible_cfg_file":
            return INI_WORDS
        case "inventory_of_any_kind":
            return YAML_WORDS + INI_WORDS
        case "playbook":
            return [*TASK_WORDS, *TEMPLATE_WORDS]
        case "role":
            return TASK_WORDS
        case "template":
            return TEMPLATE_WORDS
        case "controllers_frames" | "agents_frames":
            return FRAME_WORDS
        case "vault_file" | "vault_value":
            return VAULT_WORDS
    return [*PATTERN_WORDS, "-J", "-o", "ProxyCommand=", "ssh -W %h:%p"]


def _samples(target: str) -> list[bytes]:
    match target:
        case "inventory_yaml":
            return [b"\x00" + path.read_bytes() for path in sorted((CASES / "cases").glob("*.yaml"))] + _files(
                ".yaml", ".json", ".yml"
            )
        case "inventory_ini":
            return _files(".ini", "hosts")
        case "inventory_of_any_kind":
            return _files("")
        case "group_vars" | "extra_vars_text":
            return [b"a: 1\nb: [x, {y: z}]\n", b"a=1 b='c d'", b'{"a": [1]}', *_vaults(b"a: 1\n")]
        case "vault_file" | "vault_value":
            return _vaults(b"secret")
        case "playbook":
            plays = [b"- hosts: all\n  vars: {a: 1}\n  tasks:\n" + _indented(text) for text in _tasks()[:30]]
            said = b"- hosts: '{{ a }}'\n  vars: {a: all, b: [1, '50%']}\n  name: x {{ a }}\n  serial: '{{ b }}'\n"
            return [
                *plays,
                said + b"  gather_facts: '{{ b | length > 1 }}'\n  roles: ['{{ a }}', {role: 'r{{ a }}'}]\n",
            ]
        case "role":
            return _tasks()
        case "template":
            return [
                b"{{ a }}",
                b"x {{ map.k | default('y') }} {% for i in list %}{{ i }}{% endfor %}",
                b"{{ ring }}",
                b"{{ list | map('int') | list }}",
            ]
        case "controllers_frames" | "agents_frames":
            texts = (
                b'{"op":"result","id":1,"result":{"changed":true},"seconds":0.1}',
                b'{"op":"alive"}',
                b'{"op":"call"}',
            )
            return [struct.pack(">II", len(text), 0) + text for text in texts]
        case "host_range":
            return [b"w[1:3]", b"w[01:10:3].x[a:c]:22", b"[2001:db8::1]:22"]
        case "ssh_words":
            return [b"-J a@b:22", b"-o ProxyJump=a -o 'ProxyCommand=ssh -W %h:%p -q -p 22 u@h'"]
        case "ssh_config":
            return [b"Host cp1\n  HostName 127.0.0.1\n  User vagrant\n  Port 2222\n  IdentityFile /x\n"]
        case "ansible_cfg_file":
            return [
                b"[defaults]\nroles_path = a:~/b:{{CWD}}/c:$HOME ; x\ninventory=x\nremote_user = 'me'\n",
                b"[privilege_escalation]\nbecome = yes\n[ssh_connection]\nssh_args = -C -o ControlMaster=auto\n",
            ]
    return [b"etcd:&cp*:!cp2", b"cp[1:2],node1", b"~cp\\d", b"etcd[0:1]"]


def _files(*endings: str) -> list[bytes]:
    found = []
    for path in sorted((CASES / "ansible_cases").glob("*.yaml")):
        for name, text in yaml.safe_load(path.read_text())["files"].items():
            if name.endswith(tuple(endings)):
                found.append(b"\x01" + text.encode())
    return found


def _vaults(content: bytes) -> list[bytes]:
    from fuzz_targets import PASSWORD

    return [Vault([PasswordSource(label, PASSWORD)]).encrypt(content) for label in ("default", "prod")]


def _tasks() -> list[bytes]:
    return [path.read_bytes() for path in sorted(ROLES.glob("*/tasks/*.yml"))]


def _indented(text: bytes) -> bytes:
    return b"".join(b"    " + line for line in text.splitlines(keepends=True))


def mutated(target: str, source: random.Random) -> bytes:
    """A new input: a sample or two, bent in a few places."""
    known, words = samples(target)
    data = bytearray(source.choice(known)) if source.random() < 0.85 else bytearray()
    for _ in range(source.choice((0, 1, 1, 2, 3, 5, 8, 20))):
        at = source.randrange(len(data) + 1)
        until = min(len(data), at + source.choice((1, 1, 2, 5, 20, 100)))
        match source.randrange(9):
            case 0:
                data[at:until] = b""
            case 1:
                data[at:at] = source.choice(words)
            case 2:
                data[at:until] = source.choice(words)
            case 3:
                data[at:at] = data[at:until] * source.choice((1, 2, 10, 100))
            case 4 if at < len(data):
                data[at] = source.randrange(256)
            case 5:
                other = source.choice(known)
                start = source.randrange(len(other) + 1)
                data[at:at] = other[start : start + source.choice((5, 50, 500))]
            case 6:
                lines = bytes(data).split(b"\n")
                source.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case 7:
                data[at:at] = source.choice(words) * source.choice((2, 50, 3000))
            case 8:
                lines = bytes(data).split(b"\n")
                which = source.randrange(len(lines))
                lines[which] = source.choice((b"  ", b"    ", b"\t", b"- ")) + lines[which]
                data = bytearray(b"\n".join(lines))
    return bytes(data[: _LONGEST.get(target, 400_000)])


# What is a word of a command line, or a line, is not longer than these can be.
_LONGEST = dict.fromkeys(("pattern", "host_range", "ssh_words", "extra_vars_text", "ssh_config"), 4_000)
