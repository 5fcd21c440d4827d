"""Opens the inventory that a verb was given."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kprov.cli import extra_vars as extra
from kprov.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kprov.provision.inventory import Host, Inventory


class PatternError(ValueError):
    """A pattern of ``--limit`` that names nothing."""

    exit_code = ExitCode.USAGE


def open_inventory(
    path: Path, extra_vars: Iterable[str] | None = None, *, also_known: Collection[str] | None = None
) -> Inventory:
    """Load the inventory. Raises InventoryErrors or ExtraVarsError, which end as exit code 2.

    Args: ``also_known`` are names that are right besides kprov's own; by default those that roles give defaults for.
    """
    from kprov.provision.inventory import load

    return load(path, extra.parse(extra_vars), also_known=role_defaults() if also_known is None else also_known)


def role_defaults() -> set[str]:
    """The names of all variables that roles give defaults for: they are no typos."""
    import yaml

    names: set[str] = set()
    for folder in roles_folders():
        for path in folder.glob("*/defaults/main.y*ml"):
            try:
                content = yaml.safe_load(path.read_text())
            except (OSError, yaml.YAMLError):
                continue  # the engine says what is wrong with a role
            if isinstance(content, dict):
                names.update(str(name) for name in content)
    return names


def roles_folders() -> list[Path]:
    """Where roles lie: in the checkout, or in the installed package."""
    import kprov

    package = Path(kprov.__file__).parent
    return [folder for folder in (package / "data" / "roles", package.parent / "roles") if folder.is_dir()]


def limit_hosts(inventory: Inventory, pattern: str) -> list[Host]:
    """The hosts that ``--limit`` names; all when it is empty. Raises PatternError."""
    if not pattern:
        return list(inventory.hosts.values())
    try:
        hosts = inventory.match(pattern, files=True)
    except ValueError as error:
        raise PatternError(f"--limit {pattern}: {error}") from None
    if not hosts:
        raise PatternError(f"--limit {pattern}: no machine is left; see which there are with: kprov inventory list")
    return hosts
