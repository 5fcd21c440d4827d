"""Hosts that are connected to anew in a play: lost in the middle of a task (`ignore_unreachable`), or asked for."""

from __future__ import annotations

from pathlib import Path

from playbook_case import PlaybookCase, results, run_case

LOST = """
- hosts: web
  gather_facts: false
  tasks:
    - {file: {path: "{{ out }}", state: directory}}
    - shell: "echo first >> {{ out }}/log"
    - name: Its agent dies
      shell: "kill -9 $PPID; sleep 60"
      when: inventory_hostname == 'h1'
      ignore_unreachable: KEYWORD
      register: lost
    - shell: "echo {{ lost is unreachable }} >> {{ out }}/log"
    - shell: "echo last >> {{ out }}/log"
"""


def test_a_host_that_is_lost_goes_on_connected_anew(tmp_path: Path) -> None:
    engine = run_case(PlaybookCase("lost", {"site.yml": LOST.replace("KEYWORD", "true")}), tmp_path)
    assert results(tmp_path) == {"h1/log": "first\nTrue\nlast\n", "h2/log": "first\nFalse\nlast\n"}
    assert engine.outcome() == "ok"


def test_it_is_out_where_nothing_is_said(tmp_path: Path) -> None:
    engine = run_case(PlaybookCase("lost", {"site.yml": LOST.replace("KEYWORD", "false")}), tmp_path)
    assert results(tmp_path) == {"h1/log": "first\n", "h2/log": "first\nFalse\nlast\n"}
    assert engine.outcome() == "unreachable"


ANEW = """
- hosts: web
  gather_facts: false
  tasks:
    - {file: {path: "{{ out }}", state: directory}}
    - shell: "echo $PPID > {{ out }}/before"
    - meta: reset_connection
    - shell: "test $PPID != $(cat {{ out }}/before) && echo anew > {{ out }}/log"
    - file: {path: "{{ out }}/before", state: absent}
"""


def test_a_connection_is_reset(tmp_path: Path) -> None:
    engine = run_case(PlaybookCase("anew", {"site.yml": ANEW}), tmp_path)
    assert engine.outcome() == "ok"
    assert results(tmp_path) == {"h1/log": "anew\n", "h2/log": "anew\n"}
