"""Machines that lie: what each one's python3 does instead of serving, and what kprov must say of it."""

from __future__ import annotations

import stat
from pathlib import Path

START = """#!/usr/bin/python3
import json, os, struct, sys, threading, time
def out(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
def greet():
    out(b"\\nkprov-agent-1 3.11.2 a70d0d0a 0\\n")
def take(n):
    data = b""
    while len(data) < n:
        more = os.read(0, n - len(data))
        if not more:
            sys.exit(0)
        data += more
    return data
def archive():
    text = b""
    while len(text) != 4:
        length, body = struct.unpack(">II", take(8))
        text = take(length)
        take(body)
def frame(text, body=b""):
    if not isinstance(text, bytes):
        text = json.dumps(text).encode()
    out(struct.pack(">II", len(text), len(body)) + text + body)
def request():
    length, body = struct.unpack(">II", take(8))
    message = json.loads(take(length))
    take(body)
    return message
def asked():
    greet()
    archive()
    while True:
        message = request()
        if "id" in message:
            return message
def forever():
    while True:
        time.sleep(3600)
def leave():  # whatever it is at, it ends with whom it lies to
    while os.getppid() == controller:
        time.sleep(0.2)
    os._exit(0)
controller = os.getppid()
threading.Thread(target=leave, daemon=True).start()
"""

# What answers from the beginning. The words are those of the reason that kprov gives.
FROM_THE_START: dict[str, tuple[str, str]] = {
    "nothing": ("forever()", "did not start within"),
    "the_end": ("sys.exit(3)", r"did not start on \S+ \(exit code 3\)"),
    "noise_without_end": ("while True: out(b'y\\n' * 50000)", "KB before any word of the agent"),
    "noise_in_drops": ("while True: out(b'y'); time.sleep(1)", "did not start within"),
    "greeting_without_end": (
        "out(b'\\nkprov-agent-1 3.11.')\nwhile True: out(b'1' * 100000)",
        "KB before any word of the agent",
    ),
    "greeting_of_no_python": ("out(b'\\nkprov-agent-1 3.11.2 abc 0\\n'); forever()", "did not start within"),
    "errors_without_end": ("while True: os.write(2, b'x' * 100000)", "MB to standard error|did not start"),
    "greeting_and_then_nothing": ("greet(); forever()", "said nothing for|did not take"),
    "greeting_and_then_the_end": ("greet(); archive()", "was lost"),
    "greeting_and_then_garbage": (
        "greet()\nwhile True: out(os.urandom(100000))",
        "what is no answer of an agent|did not take",
    ),
    "greeting_and_then_zeros": (
        "greet()\nwhile True: out(bytes(100000))",
        "what is no answer of an agent|did not take",
    ),
    "a_frame_of_four_gigabytes": (
        "asked(); out(b'\\xff\\xff\\xff\\xf0' + bytes(4))\nwhile True: out(bytes(100000))",
        "what is no answer of an agent",
    ),
    "a_frame_with_a_body": ("asked(); frame(b'{}', b'x' * 100)", "what is no answer of an agent"),
    "a_frame_in_drops": (
        "asked(); out(struct.pack('>II', 1000000, 0))\nwhile True: out(b' '); time.sleep(0.2)",
        "began an answer and did not end it",
    ),
    "half_a_frame": ("asked(); out(struct.pack('>II', 1000000, 0) + b'{'); forever()", "began an answer|said nothing"),
    "no_json": ("asked(); frame(b'{\"op\": result}')", "no JSON"),
    "no_utf_8": ('asked(); frame(b\'{"op": "\\xff\\xfe"}\')', "no JSON"),
    "no_object": ("asked(); frame([1, 2, 3])", "no JSON object"),
    "no_number": ("m = asked(); frame({'op': 'result', 'id': m['id'], 'seconds': float('nan'), 'result': {}})", "NaN"),
    "nested_deeply": (
        'm = asked(); frame(b\'{"op":"result","id":%d,"result":{"a":\' % m[\'id\'] + b\'[\' * 100000 + b\']\' * 100000'
        " + b'}}')",
        "RecursionError",
    ),
    "nested_rather_deeply": (
        'm = asked(); frame(b\'{"op":"result","id":%d,"result":{"a":\' % m[\'id\'] + b\'[\' * 300 + b\']\' * 300'
        " + b'}}')",
        "nested deeper than",
    ),
    "millions_of_values": (
        'm = asked(); frame(b\'{"op":"result","id":%d,"result":{"a":[\' % m[\'id\'] + b\'[],\' * 5000000 + b\'0]}}\')',
        "more than 1000000 values",
    ),
    "another_id": ("m = asked(); frame({'op': 'result', 'id': m['id'] + 1000, 'result': {}})", "was not sent or"),
    "an_id_that_is_none": ("asked(); frame({'op': 'result', 'id': True, 'result': {}})", "was not sent or"),
    "no_result": ("m = asked(); frame({'op': 'result', 'id': m['id']})", "without a result"),
    "a_text_as_result": ("m = asked(); frame({'op': 'result', 'id': m['id'], 'result': 'ok'})", "without a result"),
    "the_same_result_twice": (
        "m = asked(); a = {'op': 'result', 'id': m['id'], 'result': {'locked': True, 'ansible_facts': {}}}\n"
        "frame(a); frame(a); forever()",
        "answered already|facts without",
    ),
    "a_message_of_no_kind": ("asked(); frame({'op': 'run', 'cmd': 'id'})", "unknown kind 'run'"),
    "a_content_never_offered": ("asked(); frame({'op': 'need', 'sha256': 'ab' * 32})", "which was not offered"),
    "a_content_by_path": ("asked(); frame({'op': 'need', 'sha256': '/etc/shadow'})", "no SHA-256"),
    "here_here_here": ("asked()\nwhile True: frame({'op': 'alive'})", "that it is there"),
    "facts_that_are_none": (
        "m = asked(); frame({'op': 'result', 'id': m['id'], 'result': {'ansible_facts': [1]}}); forever()",
        "facts",
    ),
    "facts_of_other_types": (
        "m = asked(); frame({'op': 'result', 'id': m['id'], 'result': {'ansible_facts': {'kprov_time': 'late', "
        "'ansible_memtotal_mb': {}, 'ansible_mounts': 7}}}); forever()",
        "facts",
    ),
    "no_facts": ("m = asked(); frame({'op': 'result', 'id': m['id'], 'result': {}}); forever()", "facts"),
}

# A real agent, until a task comes that is named here: what it does then. `agent` speaks with it, `m` is the request.
TURNCOAT = """
import subprocess
agent = subprocess.Popen(["/usr/bin/python3", *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
def back():
    while True:
        data = os.read(agent.stdout.fileno(), 65536)
        if not data:
            os._exit(0)
        if not turned:
            out(data)
turned = []
threading.Thread(target=back, daemon=True).start()
while True:
    header = take(8)
    length, body = struct.unpack(">II", header)
    text = take(length)
    m = json.loads(text) if length > 4 else {}
    if m.get("module") in ("copy", "command"):
        turned.append(1)
        break
    agent.stdin.write(header + text + take(body))
"""

LATER: dict[str, tuple[str, str]] = {
    "turns_to_noise": ("while True: out(os.urandom(65536))", "what is no answer of an agent"),
    "turns_to_silence": ("forever()", "said nothing for|did not take"),
    "takes_nothing": (
        "frame({'op': 'need', 'sha256': m['arguments']['_sha256']})\n"
        "while True: frame({'op': 'alive'}); time.sleep(1.1)",
        "did not take what was sent",
    ),
    "takes_drops": (
        "frame({'op': 'need', 'sha256': m['arguments']['_sha256']})\nwhile True: take(1); time.sleep(0.01)",
        "did not take what was sent",
    ),
    "asks_for_the_same_again_and_again": (
        "while True:\n frame({'op': 'need', 'sha256': m['arguments']['_sha256']})\n"
        " while True:\n  c = request()\n  if c.get('last'): break",
        "again and again",
    ),
    "answers_huge": (
        "frame({'op': 'result', 'id': m['id'], 'result': {'x': 'y' * 34000000}})",
        "what is no answer of an agent",
    ),
    "answers_tasks_to_come": (
        "frame({'op': 'result', 'id': m['id'] + 50, 'result': {}})",
        "was not sent or",
    ),
    "errors_without_end_later": ("while True: os.write(2, b'x' * 100000)", "MB to standard error|said nothing"),
    "ends": ("os._exit(0)", "was lost"),
}


def write(folder: Path) -> dict[str, Path]:
    """Make every liar's python3. Returns them by name."""
    made = {}
    scripts = {name: START + body for name, (body, _) in FROM_THE_START.items()}
    scripts |= {name: START + TURNCOAT + body for name, (body, _) in LATER.items()}
    for name, text in scripts.items():
        path = folder / name
        path.write_text(text + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        made[name] = path
    return made


# The controller sends the agent without waiting for a word: where that finds no room, it is what is noticed.
REASONS = {name: f"{words}|did not take what was sent" for name, (_, words) in FROM_THE_START.items()}
REASONS |= {name: words for name, (_, words) in LATER.items()}
