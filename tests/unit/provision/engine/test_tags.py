"""Tags, as a table: what Ansible does with each."""

from __future__ import annotations

import pytest

from kprov.provision.engine.tags import is_chosen, split

# Observed of ansible-core: tags of the task, --tags, --skip-tags, whether it is done.
CASES = [
    ("", "", "", True),
    ("a", "", "", True),
    ("never", "", "", False),
    ("never a", "", "", False),
    ("always", "", "", True),
    ("a", "a", "", True),
    ("a b", "b", "", True),
    ("a", "b", "", False),
    ("", "a", "", False),
    ("always", "a", "", True),
    ("never a", "a", "", True),
    ("never a", "never", "", True),
    ("never a", "all", "", False),
    ("never always", "", "", True),
    ("a", "all", "", True),
    ("", "all", "", True),
    ("a", "tagged", "", True),
    ("", "tagged", "", False),
    ("always", "tagged", "", True),
    ("never a", "tagged", "", False),
    ("a", "untagged", "", False),
    ("", "untagged", "", True),
    ("always", "untagged", "", True),
    ("a", "", "a", False),
    ("a b", "a", "b", False),
    ("a", "", "b", True),
    ("always", "", "a", True),
    ("always", "", "always", False),
    ("always a", "", "a", False),
    ("a", "", "all", False),
    ("always", "", "all", True),
    ("always", "", "all,always", False),
    ("a", "", "tagged", False),
    ("", "", "tagged", True),
    ("", "", "untagged", False),
    ("a", "", "untagged", True),
]


@pytest.mark.parametrize(("tags", "only", "skip", "done"), CASES)
def test_tags(tags: str, only: str, skip: str, done: bool) -> None:
    assert is_chosen(tags.split(), split([only]), split([skip])) is done


def test_an_option_may_name_several_tags_or_be_given_several_times() -> None:
    assert split(["a,b", " c ,"]) == ("a", "b", "c")
    assert split(None) == ()
