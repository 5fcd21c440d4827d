"""First code that runs on a machine: lets Python import the agent from memory.

`archive` and `stream` are given by the bootstrap.
"""

import importlib.abc
import importlib.machinery
import marshal
import sys
from typing import Any


class MemoryImporter(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules in a dictionary: name -> (is a package, is compiled, code)."""

    def __init__(self, modules: Any) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Python's question: do you have this module?"""
        found = self.modules.get(name)
        if found is None:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=found[0], origin="kprov-agent")

    def exec_module(self, module: Any) -> None:
        """Python's wish: run this module's code."""
        _, compiled, code = self.modules[module.__name__]
        exec(  # noqa: S102
            marshal.loads(code) if compiled else compile(code, "<kprov>/" + module.__name__.replace(".", "/"), "exec"),  # noqa: S302
            module.__dict__,
        )


def start(archive: Any, stream: Any) -> None:
    """Make the archive importable and hand over to the agent."""
    sys.meta_path.insert(0, MemoryImporter(archive))
    from kprov.provision.agent.session import serve

    serve(stream)
