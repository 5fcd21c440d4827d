"""Modules called as the agent calls them, with contents that would come from a controller."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from kprov.provision.agent import modules, parameters
from kprov.provision.agent.call import Call
from kprov.provision.agent.failures import ModuleFailed


class StoredContents:
    """Contents at hand, counted when they are taken."""

    def __init__(self) -> None:
        self.by_hash: dict[str, bytes] = {}
        self.taken: list[str] = []

    def add(self, data: bytes) -> str:
        """Offer a content."""
        sha256 = hashlib.sha256(data).hexdigest()
        self.by_hash[sha256] = data
        return sha256

    def data(self, sha256: str, size: int) -> bytes:
        """A content."""
        self.taken.append(sha256)
        return self.by_hash[sha256]

    def into(self, sha256: str, size: int, stream: BinaryIO) -> None:
        """A content, streamed."""
        stream.write(self.data(sha256, size))


class Runner:
    """Calls modules."""

    def __init__(self) -> None:
        self.contents = StoredContents()

    def __call__(self, name: str, /, *, check: bool = False, diff: bool = True, **arguments: Any) -> dict[str, Any]:
        module = modules.load(name)
        if isinstance(arguments.get("content"), str) and name == "copy":
            data = arguments["content"].encode()
            arguments.update(_sha256=self.contents.add(data), _size=len(data))
        coerced = parameters.coerce(module.PARAMETERS, arguments)
        result: dict[str, Any] = module.run(Call(coerced, check=check, diff=diff, contents=self.contents))  # type: ignore[arg-type]
        return result

    def fails(self, name: str, /, **arguments: Any) -> ModuleFailed:
        """Call it and expect a failure."""
        with pytest.raises(ModuleFailed) as caught:
            self(name, **arguments)
        return caught.value


@pytest.fixture
def module() -> Runner:
    """Calls a module: module("copy", dest=..., content=...)."""
    return Runner()


Module = Callable[..., dict[str, Any]]
