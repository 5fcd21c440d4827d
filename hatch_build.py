"""Generates the Python stubs of every ``.proto`` file under kprov/, at build time.

The generated files stand beside their ``.proto`` and are never committed: they belong to the protobuf release that
pyproject.toml pins. ``python hatch_build.py`` does the same by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent


def generate(root: Path = ROOT) -> list[Path]:
    """Compile each ``.proto`` below ``root/kprov``.

    Returns the protos compiled. Raises RuntimeError naming the file that protoc refuses.
    """
    from grpc_tools import protoc  # a build requirement, not one of the daemons

    protos = sorted((root / "kprov").rglob("*.proto"))
    for proto in protos:
        arguments = ["protoc", f"-I{root}", f"--python_out={root}", f"--pyi_out={root}"]
        if "\nservice " in proto.read_text():
            arguments.append(f"--grpc_python_out={root}")
        if protoc.main([*arguments, str(proto.relative_to(root))]) != 0:
            raise RuntimeError(f"protoc refuses {proto}")
    return protos


class ProtoBuildHook(BuildHookInterface):  # type: ignore[misc, valid-type]
    """The hook that hatchling calls before it packs a wheel or an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate the stubs where the sources are."""
        generate(Path(self.root))


if __name__ == "__main__":
    for compiled in generate():
        print(compiled.relative_to(ROOT))
