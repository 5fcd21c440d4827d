"""Which phases and machines a run is limited to, and what must hold so that the rest may be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kprov.provision.cluster.phase import Phase
from kprov.provision.engine.tags import is_chosen
from kprov.provision.inventory import Host
from kprov.provision.inventory.problems import did_you_mean

TaskTags = Callable[[str], Iterable[frozenset[str]]]
"""role -> the tags of each of its tasks."""


class SelectionError(ValueError):
    """What was asked for can't be right: a phase that there is not, or one that can't be left out. Changed nothing."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a procedure that a run does.

    Attributes:
        start_at: the title of the first phase, or the beginning of it; "": from the first.
        tags, skip_tags: Ansible's.
    """

    start_at: str = ""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return not (self.start_at or self.skip_tags or set(self.tags) - {"all"})


@dataclass(frozen=True, slots=True)
class Chosen:
    """The phases of a run.

    Attributes:
        phases: those that are run, in order.
        left_out: phase's title -> the option that leaves it out.
        pulled_in: title of a phase that is run only for another -> the other's title.
    """

    phases: tuple[Phase, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    pulled_in: Mapping[str, str] = field(default_factory=dict)


def choose(phases: Sequence[Phase], selection: Selection, task_tags: TaskTags) -> Chosen:
    """Choose the phases of a run.

    A role's tasks have the tags of their phase besides their own; a phase is run when any of its tasks would be.

    Raises: SelectionError when ``--start-at-phase`` names none, or nothing is left to do.
    """
    first = _first(phases, selection.start_at)
    left_out: dict[str, str] = {phase.title: "--start-at-phase" for phase in phases[:first]}
    for phase in phases[first:]:
        if (option := _tagged_out(phase, selection, task_tags)) is not None:
            left_out[phase.title] = option
    pulled_in: dict[str, str] = {}
    for phase in phases:
        if phase.title in left_out:
            continue
        for name in phase.needs:
            giver = next((other for other in phases if other.gives == name), None)
            if giver is not None and giver.title in left_out:
                pulled_in[giver.title] = phase.title
    for title in pulled_in:
        del left_out[title]
    chosen = tuple(phase for phase in phases if phase.title not in left_out)
    if not chosen:
        raise SelectionError(
            "no phase has a task that these tags choose; see which there are with --list-tags"
            if selection.tags or selection.skip_tags
            else "there is nothing to do"
        )
    return Chosen(chosen, left_out, pulled_in)


def _first(phases: Sequence[Phase], title: str) -> int:
    if not title:
        return 0
    wanted = title.strip().casefold()
    titles = [phase.title.casefold() for phase in phases]
    if wanted in titles:
        return titles.index(wanted)
    found = [index for index, each in enumerate(titles) if each.startswith(wanted)]
    found = found or [index for index, phase in enumerate(phases) if wanted == phase.role.casefold() != ""]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(f'"{phases[index].title}"' for index in found)
        raise SelectionError(f'--start-at-phase "{title}" may mean {several}: write more of it')
    names = [phase.title for phase in phases]
    raise SelectionError(f'--start-at-phase: there is no phase "{title}": {did_you_mean(title, names)}')


def _tagged_out(phase: Phase, selection: Selection, task_tags: TaskTags) -> str | None:
    """The option that leaves a phase out, or None."""
    own = [phase.all_tags | tags for tags in task_tags(phase.role)] if phase.role else [phase.all_tags]
    if any(is_chosen(tags, selection.tags, selection.skip_tags) for tags in own or [phase.all_tags]):
        return None
    if any(is_chosen(tags, selection.tags) for tags in own):
        return "--skip-tags"
    return "--tags" if selection.tags else "its tag never"


def never_been_through(
    phases: Sequence[Phase],
    chosen: Chosen,
    hosts_of: Callable[[Phase], Sequence[Host]],
    has: Callable[[Mapping[str, Sequence[str]]], Mapping[str, set[str]]],
) -> list[str]:
    """What keeps a run from leaving phases out: machines that have not been through them.

    Args:
        phases: all phases.
        chosen: those that are run.
        hosts_of: the run's machines that a phase touches.
        has: by machine, which of these files are there; a machine that can't be asked is missing.

    Returns: a sentence for each phase that can't be left out: what comes after it needs it.
    """
    last = {
        host.name: index
        for index, phase in enumerate(phases)
        if phase.title not in chosen.left_out
        for host in hosts_of(phase)
    }
    wanted = [
        (phase, [host.name for host in hosts_of(phase) if last.get(host.name, -1) > index])
        for index, phase in enumerate(phases)
        if phase.title in chosen.left_out and phase.leaves
    ]
    asked: dict[str, list[str]] = {}
    for phase, names in wanted:
        for name in names:
            asked.setdefault(name, []).append(phase.leaves)
    found = has(asked) if asked else {}
    sentences = []
    for phase, names in wanted:
        new = [name for name in names if phase.leaves not in found.get(name, {phase.leaves})]
        if new:
            verb = "has" if len(new) == 1 else "have"
            sentences.append(
                f'"{phase.title}" is left out by {chosen.left_out[phase.title]}, but {", ".join(new)} {verb} not been '
                f"through it: there is no {phase.leaves}"
            )
    return sentences
