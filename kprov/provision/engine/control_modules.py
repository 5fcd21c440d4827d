"""What the engine does by itself: the modules of which nothing is sent to a machine, and their parameters."""

from __future__ import annotations

from kprov.provision.agent.parameters import Parameter, Specification

# None: any parameter (set_fact's are variable names).
CONTROL: dict[str, Specification | None] = {
    "set_fact": None,
    "assert": {
        "that": Parameter("any", required=True),
        "fail_msg": Parameter("any", aliases=("msg",)),
        "success_msg": Parameter("any"),
        "quiet": Parameter("bool"),
    },
    "fail": {"msg": Parameter("any", default="Failed as requested from task")},
    "debug": {"msg": Parameter("any"), "var": Parameter("any"), "verbosity": Parameter("int")},
    "meta": {
        "action": Parameter(
            "str",
            required=True,
            choices=(
                "flush_handlers",
                "end_host",
                "end_play",
                "end_batch",
                "end_role",
                "noop",
                "clear_facts",
                "reset_connection",
            ),
        )
    },
    "include_tasks": {"file": Parameter("str", required=True), "apply": Parameter("dict")},
    "import_tasks": {"file": Parameter("str", required=True)},
    "include_role": {
        "name": Parameter("str", required=True),
        **{name: Parameter("str") for name in ("tasks_from", "vars_from", "defaults_from", "handlers_from")},
        "apply": Parameter("dict"),
        "public": Parameter("bool"),
        "allow_duplicates": Parameter("bool"),
        "rolespec_validate": Parameter("bool"),
    },
    "import_role": {
        "name": Parameter("str", required=True),
        **{name: Parameter("str") for name in ("tasks_from", "vars_from", "defaults_from", "handlers_from")},
        "public": Parameter("bool"),
        "allow_duplicates": Parameter("bool"),
        "rolespec_validate": Parameter("bool"),
    },
    "include_vars": {
        "file": Parameter("str"),
        "dir": Parameter("str"),
        "name": Parameter("str"),
        "depth": Parameter("int"),
        "files_matching": Parameter("str"),
        "ignore_files": Parameter("list"),
        "ignore_unknown_extensions": Parameter("bool"),
        "extensions": Parameter("list"),
        "hash_behaviour": Parameter("str", choices=("replace", "merge")),
    },
    "pause": {
        "seconds": Parameter("float"),
        "minutes": Parameter("float"),
    },
    "group_by": {"key": Parameter("str", required=True), "parents": Parameter("list")},
    # Whatever else is given to add_host is a variable of the host.
    "add_host": None,
    "set_stats": {
        "data": Parameter("dict", required=True),
        "per_host": Parameter("bool", default=False),
        "aggregate": Parameter("bool", default=True),
    },
    "validate_argument_spec": {
        "argument_spec": Parameter("dict", required=True),
        "provided_arguments": Parameter("dict"),
    },
}

# What brings tasks of its own.
INCLUDES = frozenset({"include_tasks", "import_tasks", "include_role", "import_role"})
IMPORTS = frozenset({"import_tasks", "import_role"})
