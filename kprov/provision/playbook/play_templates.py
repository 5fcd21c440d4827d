"""Keywords of plays that are templates: they are rendered once, before anything is run.

Source: ansible-core renders a play before it has hosts, so that extra variables, the play's own ones and the groups are
all that is known; ansible_play_hosts, facts and what the inventory says of hosts are not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kprov.provision.engine.documents import Lines, plain
from kprov.provision.engine.scope import OMIT, NeedsResult, Scope, TemplateProblem
from kprov.provision.engine.tasks import is_open

if TYPE_CHECKING:
    from kprov.provision.engine.templating import Templar
    from kprov.provision.inventory.model import Inventory

RENDERED = (
    "any_errors_fatal",
    "connection",
    "force_handlers",
    "gather_facts",
    "hosts",
    "max_fail_percentage",
    "name",
    "order",
    "remote_user",
    "serial",
    "strategy",
)

HINT = "a play's keywords see what -e says, the play's own variables and `groups`"


@dataclass(frozen=True)
class Known:
    """What is known before any play has hosts.

    Args:
        extra_vars: what the command line says.
        magic: Ansible's own variables.
    """

    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    magic: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, inventory: Inventory) -> Known:
        """What an inventory that was loaded with extra variables makes known."""
        return cls(inventory.extra_vars, {"groups": {name: [*hosts] for name, hosts in inventory.members.items()}})


class PlayTemplates:
    """Renders what a play says of itself.

    Args:
        templar: renders; the first folder that it looks in is the playbook's.
        known: what is known besides the play's own variables.
        variables: these.
        tell: told of mistakes: line, message, suggestion.
    """

    def __init__(
        self,
        templar: Templar,
        known: Known,
        variables: Mapping[str, Any],
        tell: Callable[[int, str, str], None],
    ) -> None:
        self._templar = templar
        magic = {**known.magic, "playbook_dir": str(templar.search_path.bases[0].resolve())}
        layers = [(known.extra_vars, True), (variables, True), (magic, False), (templar.globals, False)]
        self._scope = Scope(templar, layers)
        self._tell = tell

    def render(self, value: Any, what: str, line: int) -> Any:
        """A value; as it was where it cannot be rendered, which is told."""
        if not is_open(value):
            return value
        try:
            return self._templar.render(plain(value), self._scope)
        except (TemplateProblem, NeedsResult, RecursionError) as problem:
            self._tell(line, f"{what}: {problem}", HINT)
            return value

    def keywords(self, entry: Lines) -> Lines:
        """A play with its keywords rendered; without those that cannot be, or that say `omit`."""
        found = Lines(entry)
        found.line, found.key_lines = entry.line, entry.key_lines
        for key in RENDERED:
            if not is_open(entry.get(key)):
                continue
            found[key] = self.render(entry[key], f"'{key}' of the play", entry.key_lines[key])
            if found[key] is OMIT or (is_open(found[key]) and key != "hosts"):
                del found[key]
        return found
