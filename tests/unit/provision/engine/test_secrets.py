"""Secrets appear nowhere: not in reports, diffs, journal, log or errors."""

from __future__ import annotations

from typing import Any

from kprov.provision.engine.secrets import MASK, Secrets

SECRET = "hunter2-is-my/pass"


def test_masked_everywhere(workshop: Any, host: Any) -> None:
    workshop.role("""
        - name: "Say {{ db_password }}"
          shell: "echo {{ db_password }}; echo {{ db_password | b64encode }}; exit 1"
          ignore_errors: true
        - copy: {content: "password = {{ db_password }}\\n", dest: "{{ out }}/f"}
        - name: Quiet
          copy: {content: "{{ other }}", dest: "{{ out }}/g"}
          no_log: true
        - fail: {msg: "wrong {{ db_password }}"}
        """)
    engine = workshop.engine(host("h1", db_password=SECRET, other="unnamed-secret"), diff=True)
    result = engine.run_role("r", ["h1"])
    engine.close()
    assert SECRET in workshop.file("f") and workshop.file("g") == "unnamed-secret"
    said = str(workshop.reporter.results) + str(workshop.reporter.events) + result.failed["h1"].message
    said += engine.journal.path.read_text() + engine.log_path.read_text()
    assert MASK in said and SECRET not in said and "unnamed-secret" not in said
    assert "aHVudGVyMi1pcy1teS9wYXNz" not in said


def test_private_keys_are_always_masked() -> None:
    text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\nb"
    assert Secrets().mask(text) == f"a\n-----BEGIN EC PRIVATE KEY----- {MASK}\nb"


def test_names_that_mean_secrets() -> None:
    secrets = Secrets()
    secrets.add_from(
        {
            "a": {"api_token": "tokentoken"},
            "password_file": "/etc/x",
            "token_ttl": "24h0m0s",
            "ansible_become_pass": "sesame",
        }
    )
    assert secrets.mask("tokentoken /etc/x 24h0m0s sesame") == f"{MASK} /etc/x 24h0m0s {MASK}"
    secrets.add("no")
    assert secrets.mask("no") == "no"
