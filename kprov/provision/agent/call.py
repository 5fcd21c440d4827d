"""What a module gets to work with: its arguments, how it should behave, and the few things it may ask of the agent."""

from __future__ import annotations

import copy
from typing import Any, Callable

from kprov.provision.agent import processes
from kprov.provision.agent.contents import Contents
from kprov.provision.agent.failures import ModuleFailed


class Call:
    """One use of a module.

    Args:
        arguments: by parameter name, coerced, with defaults.
        check: say what would change and change nothing.
        diff: say how.
        environment: variables for programs it starts.
        become_user: the user whom programs it starts run as, None for the agent's own.
        contents: file contents that the controller can send.
        following: the requests for the same module that wait in a row right behind this one, and are done unless one
            before them fails.
        root: where the machine's own files lie; a folder of its own in tests.
    """

    def __init__(
        self,
        arguments: dict[str, Any],
        *,
        check: bool = False,
        diff: bool = False,
        environment: dict[str, str] | None = None,
        become_user: str | None = None,
        contents: Contents | None = None,
        following: Callable[[], list[dict[str, Any]]] = list,
        root: str = "",
    ) -> None:
        self.arguments = arguments
        self.check = check
        self.diff = diff
        self.environment = environment or {}
        self.become_user = become_user
        self.following = following
        self._contents = contents
        self._root = root

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument that may be missing."""
        return self.arguments.get(name, default)

    def with_arguments(self, **changed: Any) -> Call:
        """The same call with other arguments."""
        new = copy.copy(self)
        new.arguments = {**self.arguments, **changed}
        return new

    def system_path(self, path: str) -> str:
        """Where a file of the machine lies that the module itself knows of, such as /etc/fstab."""
        return self._root + path

    @property
    def contents(self) -> Contents:
        """File contents from the controller."""
        if self._contents is None:
            raise ModuleFailed("this call has no controller to get contents from")
        return self._contents

    def run(self, command: list[str], *, succeed: bool = True, **options: Any) -> processes.Completed:
        """Run a program.

        Args:
            command: its arguments.
            succeed: a non-zero exit code fails the module.
            options: as for `processes.run`.

        Raises:
            ModuleFailed: it failed, and `succeed` was asked for.
        """
        options.setdefault("environment", self.environment)
        options.setdefault("user", self.become_user)
        completed = processes.run(command, **options)
        if succeed and completed.rc != 0:
            raise ModuleFailed(
                "'%s' failed with exit code %d: %s" % (" ".join(command), completed.rc, completed.words()),
                rc=completed.rc,
                stdout=completed.stdout,
                stderr=completed.stderr,
            )
        return completed
