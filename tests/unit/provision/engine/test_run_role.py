"""Roles on machines: order, waiting, handlers, loops, conditions, failures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kprov.provision.engine import EngineError, Status


def test_second_run_changes_nothing_in_one_round_trip(workshop: Any) -> None:
    workshop.write(
        "templates/r/x.j2",
        "colour = {{ colour }}\n{% for h in groups.all %}{{ hostvars[h].inventory_hostname }}\n{% endfor %}",
    )
    tasks = "".join(
        f"""
- name: File {i}
  template:
    src: x.j2
    dest: "{{{{ out }}}}/{i}"
    mode: "0644"
  notify: Restart
"""
        for i in range(100)
    )
    workshop.role(
        tasks, handlers='- name: Restart\n  shell: "echo restarted >> {{ out }}/log"\n', defaults="colour: blue\n"
    )
    first = workshop.run()
    assert first.ok and first.counts["h1"].changed == 101
    assert workshop.file("7") == "colour = blue\nh1\n" and workshop.file("log") == "restarted\n"
    second = workshop.run()
    assert second.ok and second.counts["h1"].changed == 0 and second.counts["h1"].ok == 100
    assert second.round_trips == 1
    assert workshop.file("log") == "restarted\n"


def test_a_result_is_waited_for_only_where_it_is_read(workshop: Any) -> None:
    workshop.role("""
        - command: echo one
          register: first
          changed_when: false
        - command: echo two
          changed_when: false
        - copy: {content: "{{ first.stdout }} {{ first.rc }}", dest: "{{ out }}/f"}
        - command: echo three
          when: first is succeeded and first.stdout == 'one'
          register: third
        - set_fact: {answer: "{{ third.stdout | upper }}"}
        - copy: {content: "{{ answer }}", dest: "{{ out }}/g"}
        """)
    result = workshop.run()
    assert result.ok and workshop.file("f") == "one 0" and workshop.file("g") == "THREE"
    assert result.round_trips == 3


def test_loops(workshop: Any) -> None:
    workshop.role("""
        - name: Files
          copy: {content: "{{ item.text }}", dest: "{{ out }}/{{ item.name }}"}
          loop: "{{ files }}"
          when: item.text != 'no'
          register: written
        - copy:
            content: "{{ written.results | map(attribute='changed') | list | to_json }} {{ written.changed }}"
            dest: "{{ out }}/all"
        - name: Deeper
          command: "true"
          loop: [1, 2]
          loop_control: {loop_var: n, index_var: i}
          changed_when: n == 2
        """)
    files = [{"name": "a", "text": "1"}, {"name": "b", "text": "no"}, {"name": "c", "text": "3"}]
    result = workshop.run(variables={"files": files})
    assert result.ok, result.failed
    assert workshop.file("all") == "[true, false, true] True"
    assert workshop.reporter.of("h1")[-1] == ("Deeper", "changed")


def test_failure_stops_this_host_and_no_other(workshop: Any, host: Any) -> None:
    workshop.role("""
        - name: First
          command: "true"
        - name: Bad
          command: sh -c "echo broken >&2; exit 3"
          when: inventory_hostname == 'h1'
        - name: Last
          copy: {content: x, dest: "{{ out }}/last"}
        """)
    engine = workshop.engine(host("h1"), host("h2"))
    result = engine.run_role("r", ["h1", "h2"])
    assert list(result.failed) == ["h1"] and "broken" in result.failed["h1"].message
    assert result.failed["h1"].location.endswith("tasks/main.yml:4")
    assert not (workshop.out / "h1" / "last").exists() and (workshop.out / "h2" / "last").exists()
    again = engine.run_role("r", ["h1", "h2"])
    assert again.hosts == ["h2"] and "Bad" in again.left_out["h1"]
    assert [found.name for found in engine.alive()] == ["h2"] and engine.outcome() == "failed"
    engine.forgive("h1")
    assert [found.name for found in engine.alive()] == ["h1", "h2"]


def test_what_counts_as_failed_and_changed(workshop: Any) -> None:
    workshop.role("""
        - name: Expected
          command: sh -c "exit 2"
          failed_when: result.rc not in [0, 2]
          changed_when: result.rc == 2
          register: result
        - name: Ignored
          command: "false"
          ignore_errors: true
          register: ignored
        - name: Never
          command: "false"
          failed_when: false
          changed_when: false
        - name: Read on
          copy: {content: "{{ ignored.failed }}", dest: "{{ out }}/f"}
        - name: Judged
          command: echo bad
          register: judged
          failed_when: "'bad' in judged.stdout"
        - name: Not reached
          command: "true"
        """)
    result = workshop.run()
    assert workshop.reporter.of("h1") == [
        ("Expected", "changed"),
        ("Ignored", "changed"),
        ("Never", "ok"),
        ("Read on", "changed"),
        ("Judged", "failed"),
    ]
    assert workshop.file("f") == "True" and "failed_when is true" in result.failed["h1"].message


def test_handlers_run_once_in_their_order_and_wake_others(workshop: Any) -> None:
    workshop.role(
        """
        - copy: {content: a, dest: "{{ out }}/a"}
          notify: [Second, First]
        - copy: {content: b, dest: "{{ out }}/b"}
          notify: second group
        - meta: flush_handlers
        - shell: echo flushed >> {{ out }}/log
        """,
        handlers="""
        - name: First
          shell: echo first >> {{ out }}/log
        - name: Second
          listen: second group
          shell: echo second >> {{ out }}/log
          notify: Third
        - name: Third
          shell: echo third >> {{ out }}/log
        """,
    )
    assert workshop.run().ok
    assert workshop.file("log").split() == ["first", "second", "third", "flushed"]


def test_handlers_that_did_not_run_are_due_next_time(workshop: Any) -> None:
    workshop.role(
        """
        - copy: {content: a, dest: "{{ out }}/a"}
          notify: Restart
        - fail: {msg: stop here}
          when: broken
        """,
        handlers="- name: Restart\n  shell: echo restarted >> {{ out }}/log\n",
    )
    assert not workshop.run(variables={"broken": True}).ok
    assert not (workshop.out / "h1" / "log").exists()
    assert workshop.run(variables={"broken": False}, check=True).ok
    assert not (workshop.out / "h1" / "log").exists()
    assert workshop.run(variables={"broken": False}).ok
    assert workshop.file("log") == "restarted\n"
    assert workshop.run(variables={"broken": False}).counts["h1"].changed == 0
    assert workshop.file("log") == "restarted\n"


def test_a_connection_lost_within_a_task_leaves_its_handler_due(workshop: Any) -> None:
    workshop.role(
        """
        - name: Change and die
          shell: "echo a > {{ out }}/a; kill -9 $PPID"
          args: {creates: "{{ out }}/a"}
          notify: Restart
        """,
        handlers="- name: Restart\n  shell: echo restarted >> {{ out }}/log\n",
    )
    engine = workshop.engine()
    result = engine.run_role("r", ["h1"])
    assert result.failed["h1"].status is Status.UNREACHABLE
    assert "run the same command again" in result.failed["h1"].message
    assert engine.outcome() == "unreachable"
    engine.close()
    assert workshop.run().ok and workshop.file("log") == "restarted\n"


def test_check_mode_changes_nothing_and_shows_how(workshop: Any) -> None:
    workshop.role("""
        - name: Conf
          copy: {content: "new\\n", dest: "{{ out }}/f", mode: "0600"}
        - name: Look
          command: cat /dev/null
          check_mode: false
          changed_when: false
          register: look
        - name: Command
          command: touch {{ out }}/no
        - name: Read
          copy: {content: "{{ look.rc }} {{ ansible_check_mode }}", dest: "{{ out }}/g"}
        """)
    result = workshop.run(check=True, diff=True)
    assert result.ok and not list((workshop.out / "h1").iterdir())
    assert workshop.reporter.of("h1") == [
        ("Conf", "changed"),
        ("Look", "ok"),
        ("Command", "skipped"),
        ("Read", "changed"),
    ]
    assert "+new" in workshop.reporter.results[0][3]
    assert not (workshop.folder / "state" / "pending_handlers.jsonl").exists()


def test_tags_blocks_and_includes(workshop: Any) -> None:
    workshop.role("""
        - block:
            - name: In block
              shell: echo {{ greeting }} >> {{ out }}/log
          when: wanted
          vars: {greeting: hello}
          tags: [some]
        - include_tasks: more.yml
          vars: {word: included}
          tags: [some]
        - name: Other
          shell: echo other >> {{ out }}/log
        - name: Always
          shell: echo always >> {{ out }}/log
          tags: always
        """)
    workshop.write("roles/r/tasks/more.yml", "- name: Deep\n  shell: echo {{ word }} >> {{ out }}/log\n")
    assert workshop.run(variables={"wanted": True}, tags=["some"]).ok
    assert workshop.file("log").split() == ["hello", "included", "always"]
    assert workshop.run(variables={"wanted": False}, skip_tags=["always"]).ok
    assert workshop.file("log").split()[3:] == ["included", "other"]


def test_run_once_gives_its_result_to_all(workshop: Any, host: Any) -> None:
    workshop.role("""
        - shell: echo x >> {{ shared }}; echo made
          run_once: true
          register: once
        - copy: {content: "{{ once.stdout }}", dest: "{{ out }}/f"}
        """)
    hosts = [host(f"h{i}") for i in range(5)]
    assert workshop.run(*hosts, variables={"shared": str(workshop.folder / "shared")}).ok
    assert (workshop.folder / "shared").read_text() == "x\n"
    assert all(workshop.file("f", f"h{i}") == "made" for i in range(5))


def test_serial_stops_after_the_batch_that_failed(workshop: Any, host: Any) -> None:
    workshop.role("- command: test {{ inventory_hostname }} != h2\n")
    hosts = [host(f"h{i}") for i in range(1, 6)]
    engine = workshop.engine(*hosts)
    result = engine.run_role("r", hosts, serial=1)
    assert list(result.failed) == ["h2"] and sorted(result.left_out) == ["h3", "h4", "h5"]
    assert engine.state["h3"].state == "connected"
    assert engine.run_role("r", hosts, serial="50%").left_out.keys() == {"h2"}


def test_until_retries(workshop: Any) -> None:
    workshop.role("""
        - shell: echo x >> {{ out }}/n; wc -l < {{ out }}/n
          register: count
          until: count.stdout | int >= 3
          retries: 5
          delay: 0.01
        - name: Gives up
          command: "false"
          register: never
          until: never.rc == 0
          retries: 1
          delay: 0.01
        """)
    result = workshop.run()
    assert workshop.file("n") == "x\n" * 3
    assert "after 2 attempts" in result.failed["h1"].message


def test_undefined_variable_names_place_and_nearest(workshop: Any) -> None:
    workshop.role('- name: T\n  copy: {content: "{{ colur }}", dest: /nowhere/x}\n', defaults="colour: red\n")
    failed = workshop.run().failed["h1"]
    assert (
        "'colur' is undefined; did you mean 'colour'?" in failed.message
        and failed.location == "roles/r/tasks/main.yml:1"
    )
    workshop.write("templates/r/bad.j2", "fine\n\n{{ nope }}\n")
    workshop.role("- template: {src: bad.j2, dest: /nowhere/x}\n")
    assert "bad.j2:3: 'nope' is undefined" in workshop.run().failed["h1"].message


def test_variables_by_strength(workshop: Any, host: Any) -> None:
    names = {"a": "default", "b": "default", "c": "default", "d": "default", "e": "default"}
    workshop.role(
        '- copy: {content: "{{ [a, b, c, d, e] | join(\' \') }}", dest: "{{ out }}/f"}\n  vars: {d: task, e: task}\n',
        defaults=json.dumps(names),
    )
    inventory = dict.fromkeys("bcde", "inventory")
    phase = dict.fromkeys("cde", "phase")
    assert workshop.run(host("h1", **inventory), variables=phase, extra_vars={"e": "extra"}).ok
    assert workshop.file("f") == "default inventory phase task extra"


def test_what_a_machine_says_is_never_a_template(workshop: Any) -> None:
    workshop.role("""
        - command: echo '{{ "{{" }} 1 + 1 }}'
          register: said
        - copy: {content: "{{ said.stdout }}", dest: "{{ out }}/f"}
        """)
    assert workshop.run().ok and workshop.file("f") == "{{ 1 + 1 }}"


def test_assert_fail_debug_and_include_role(workshop: Any) -> None:
    workshop.role("- debug: {msg: from other}\n", name="other")
    workshop.role("""
        - include_role: {name: other}
        - debug: {var: inventory_hostname}
        - assert: {that: ["1 == 1", "inventory_hostname == 'h2'"], fail_msg: "wrong host {{ inventory_hostname }}"}
        """)
    result = workshop.run()
    assert result.failed["h1"].message == "wrong host h1"
    assert [message for *_, message in workshop.reporter.results][:2] == ["from other", "inventory_hostname: h1"]


def test_modules_for_procedures(workshop: Any, host: Any) -> None:
    engine = workshop.engine(host("h1"), host("h2"))
    with engine.phase("Try", ["h1", "h2"]) as phase:
        many = engine.module_all(
            {
                "h1": ("copy", {"content": "a", "dest": str(workshop.out / "h1" / "f"), "_title": "Write f"}),
                "h2": [
                    ("stat", {"path": "/"}),
                    ("slurp", {"src": "/no/such"}),
                    ("command", {"argv": ["echo", "x"], "_check": False}),
                ],
            }
        )
        phase.record("h1", "By itself", changed=True)
    assert many["h1"].changed and many["h2"][0]["stat"]["isdir"] and many["h2"][1].failed
    assert many["h2"][2]["stdout"] == "x" and not many["h2"][2].changed
    assert workshop.reporter.of("h1") == [("Write f", "changed"), ("By itself", "changed")]
    assert engine.summary()["h2"].failed == 0 and engine.outcome() == "ok"
    assert engine.shell("h1", ["sh", "-c", "echo out; echo err >&2; exit 4"]).rc == 4
    with pytest.raises(EngineError, match="no module"):
        engine.module("h1", "nosuch")
    engine.disconnect(["h2"])
    assert engine.module("h2", "ping").status is Status.UNREACHABLE
    assert engine.reconnect("h2").state == "connected" and engine.module("h2", "ping")["ping"] == "pong"


def test_second_run_is_told_who_holds_the_lock(workshop: Any) -> None:
    path = str(workshop.folder / "lock")
    first = workshop.engine(lock=True, lock_path=path, command_line="kprov up")
    elsewhere = workshop.folder / "another controller"
    second = workshop.engine(connect=False, lock=True, lock_path=path, state_directory=elsewhere)
    state = second.connect()["h1"]
    assert (
        state.state == "locked"
        and "kprov up" in state.reason
        and first.run_id in state.reason
        and "since 20" in state.reason
    )
    assert second.outcome() == "locked"
    first.close()
    assert second.reconnect("h1").state == "connected"


def test_journal_tells_what_was_under_way(workshop: Any) -> None:
    workshop.role('- name: Write\n  copy: {content: x, dest: "{{ out }}/f"}\n')
    engine = workshop.engine(command_line="kprov up")
    engine.run_role("r", ["h1"])
    engine.close()
    events = [json.loads(line) for line in engine.journal.path.read_text().splitlines()]
    assert [event["event"] for event in events] == [
        "run_started", "connecting", "host_state", "phase_started", "sent", "task", "phase_finished", "run_finished",
    ]  # fmt: skip
    assert events[-1]["outcome"] == "ok" and engine.journal.path.stat().st_mode & 0o777 == 0o600
    assert "changed   h1 r: Write" in engine.log_path.read_text()


def test_hosts_that_failed_are_listed_for_another_try(workshop: Any, host: Any) -> None:
    workshop.role("- command: {argv: ['{{ program }}']}")
    engine = workshop.engine(host("h1", program="true"), host("h2", program="false"), host("h3", program="false"))
    engine.run_role("r", ["h1", "h2", "h3"])
    engine.close()
    assert engine.retry_file.read_text() == "h2\nh3\n"
    engine = workshop.engine(host("h1", program="true"))
    engine.run_role("r", ["h1"])
    engine.close()
    assert not engine.retry_file.exists()
