"""The cluster's own objects, rendered from templates/cluster/ and applied through the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kprov.provision.cluster.context import Context
from kprov.provision.inventory import Host

_FOLDER = "cluster"


def render(templates: Path, variables: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of every ``*.yaml.j2`` in templates/cluster, in the order of the file names.

    Raises: jinja2.UndefinedError for a variable that is not there, yaml.YAMLError for what is not YAML.
    """
    environment = Environment(  # noqa: S701 - YAML, not HTML
        loader=FileSystemLoader(templates), undefined=StrictUndefined, keep_trailing_newline=True
    )
    for path in sorted((templates / _FOLDER).glob("*.yaml.j2")):
        text = environment.get_template(f"{_FOLDER}/{path.name}").render(variables)
        yield from (document for document in yaml.safe_load_all(text) if document)


def apply_cluster_objects(context: Context, hosts: list[Host]) -> None:
    """Apply what the cluster's machines and daemons need of the API: rights, the DNS Service."""
    engine = context.engine
    with engine.phase("The cluster's own objects", hosts[:1]) as phase:
        for wanted in render(engine.templates_path, context.inventory.cluster.variables()):
            name = f"{wanted['kind']} {wanted['metadata']['name']}"
            phase.record(hosts[0], name, changed=context.apply(hosts[0], wanted))
