"""Tasks and blocks, as read from a role or a playbook."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class LoopControl:
    """How a loop goes about its items."""

    loop_var: str = "item"
    index_var: str | None = None
    label: Any = None
    pause: Any = None
    extended: Any = False
    break_when: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Task:
    """One task; without a module: what a block, a role's entry or a play says for all tasks in it."""

    name: str
    module: str
    arguments: dict[str, Any]
    role: str
    file: str
    line: int
    nameless: bool = False
    """It was given no name: `name` is one that kprov made."""
    unsupported: str = ""
    """Why kprov cannot do it, for a task that it could read; empty for all others."""
    when: tuple[Any, ...] = ()
    loop: Any = None
    loop_lookup: str | None = None
    """The X of `with_X`."""
    control: LoopControl = LoopControl()
    register: str | None = None
    notify: tuple[Any, ...] = ()
    tags: frozenset[str] = frozenset()
    become: Any = None
    become_user: Any = None
    delegate_to: Any = None
    delegate_facts: Any = None
    changed_when: tuple[Any, ...] | None = None
    failed_when: tuple[Any, ...] | None = None
    check_mode: Any = None
    diff: Any = None
    no_log: Any = None
    ignore_errors: Any = None
    any_errors_fatal: Any = None
    run_once: Any = None
    throttle: Any = None
    retries: Any = None
    until: tuple[Any, ...] = ()
    delay: Any = 5
    timeout: Any = None
    asynchronous: Any = None
    """The seconds of `async`."""
    poll: Any = None
    ignore_unreachable: Any = None
    defaults: dict[str, Any] = field(default_factory=dict)
    """What `module_defaults` says, by the modules' own names."""
    variables: dict[str, Any] = field(default_factory=dict)
    environment: tuple[Any, ...] = ()
    apply: Task | None = None
    """What an include says for the tasks that it brings."""
    around: Task | None = None
    """What the blocks around an include say: that holds for the tasks that it brings, its own keywords do not."""
    own_variables: dict[str, Any] = field(default_factory=dict)
    """An include's own `vars`: for what it brings they are stronger than those of what is around it."""
    listen: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        """file:line."""
        return f"{self.file}:{self.line}"

    @property
    def has_loop(self) -> bool:
        """Whether it is done for each of several items."""
        return self.loop is not None


@dataclass(frozen=True)
class Block:
    """Tasks that are rescued together. What a block says for its tasks is written into each of them when it is read."""

    steps: tuple[Step, ...]
    rescue: tuple[Step, ...]
    always: tuple[Step, ...]
    name: str
    file: str
    line: int


Step = Task | Block


def inherited(outer: Task | None, inner: Task) -> Task:
    """A task with what surrounds it (a block, an import, a role's entry, a play) says for it."""
    if outer is None or _says_nothing(outer):
        return inner

    def nearest(name: str) -> Any:
        own = getattr(inner, name)
        return own if own is not None else getattr(outer, name)

    return replace(
        inner,
        when=outer.when + inner.when,
        tags=outer.tags | inner.tags,
        notify=outer.notify + inner.notify,
        variables={**outer.variables, **inner.variables},
        defaults={**outer.defaults, **inner.defaults},
        environment=outer.environment + inner.environment,
        **{name: nearest(name) for name in _NEAREST},
    )


def _says_nothing(outer: Task) -> bool:
    """Whether it has no word for the tasks in it, as most plays' and roles' entries."""
    more = outer.when or outer.tags or outer.notify or outer.variables or outer.defaults or outer.environment
    return not more and all(getattr(outer, name) is None for name in _NEAREST)


def inherited_steps(outer: Task | None, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """`inherited` for whole blocks."""
    if outer is None:
        return steps
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Block):
            found.append(
                replace(
                    step,
                    steps=inherited_steps(outer, step.steps),
                    rescue=inherited_steps(outer, step.rescue),
                    always=inherited_steps(outer, step.always),
                )
            )
        else:
            found.append(inherited(outer, step))
    return tuple(found)


def all_tasks(steps: tuple[Step, ...] | list[Step]) -> list[Task]:
    """Every task, those within blocks included."""
    found: list[Task] = []
    for step in steps:
        if isinstance(step, Block):
            found += [*all_tasks(step.steps), *all_tasks(step.rescue), *all_tasks(step.always)]
        else:
            found.append(step)
    return found


# The innermost that says something holds.
_NEAREST = (
    "become",
    "become_user",
    "delegate_to",
    "delegate_facts",
    "check_mode",
    "diff",
    "no_log",
    "ignore_errors",
    "ignore_unreachable",
    "any_errors_fatal",
    "run_once",
    "throttle",
    "timeout",
)


def is_open(value: Any) -> bool:
    """Whether a value holds a template, so that it is known only when the task runs."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_open(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(is_open(item) for item in value)
    return False
