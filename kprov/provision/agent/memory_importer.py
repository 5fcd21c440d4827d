"""First code that runs on a machine: lets Python import the agent from memory.

Nothing is imported here that Python has not loaded to start by itself.
"""

import builtins
import marshal
import sys
from typing import Any


class Lazy(type(sys)):  # type: ignore[misc]
    """A module of the standard library that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        real = __import__(self.__name__)  # for a.b this is a, as for `import a.b`
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def lazy(name: str) -> Any:
    """What `import name` in the agent's files stands for."""
    return Lazy(name) if name not in sys.modules else __import__(name)


class MemoryImporter:
    """Finds modules in a dictionary: name -> (is a package, is compiled, code)."""

    def __init__(self, modules: Any) -> None:
        self.modules = modules

    def learn(self, magic: str, packed: bytes) -> None:
        """Take more files, unless they are for another Python."""
        import _frozen_importlib_external as files
        import zlib

        if magic == files.MAGIC_NUMBER.hex():
            self.modules.update(marshal.loads(zlib.decompress(packed)))  # noqa: S302 - from who is root here anyway

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Python's question: do you have this module?"""
        found = self.modules.get(name)
        if found is None:
            return None
        loader: Any = self
        return type(sys.__spec__)(name, loader, is_package=found[0], origin="kprov-agent")

    def create_module(self, spec: Any) -> None:
        """Python makes the module object itself."""

    def exec_module(self, module: Any) -> None:
        """Python's wish: run this module's code."""
        _, compiled, code = self.modules[module.__name__]
        exec(  # noqa: S102
            marshal.loads(code) if compiled else compile(code, "<kprov>/" + module.__name__.replace(".", "/"), "exec"),  # noqa: S302
            module.__dict__,
        )


def start(archive: Any, stream: Any, earlier: Any) -> None:
    """Make the archive importable and hand over to the agent."""
    finder: Any = MemoryImporter(archive)
    builtins.lazy = lazy  # type: ignore[attr-defined]
    sys.meta_path.insert(0, finder)
    from kprov.provision.agent.session import serve

    serve(stream, earlier)
