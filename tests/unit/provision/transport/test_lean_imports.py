"""SSH is imported without what it does not need, and Match exec works all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, threading
from kprov.provision.transport import lean_imports
at_once = [threading.Thread(target=lean_imports.{0}) for _ in range(8)]
for thread in at_once: thread.start()
for thread in at_once: thread.join()
from kprov.provision.transport import ssh
print(*(name for name in ("paramiko", "invoke", "fabric", "unittest.mock", "asyncio") if name in sys.modules))
print("importlib.metadata" in sys.modules)
import importlib.metadata, paramiko, unittest.mock
print(paramiko.__version__ == importlib.metadata.version("paramiko"), unittest.mock.Mock().__class__.__name__)
"""


@pytest.mark.parametrize(
    ("call", "found"), [("import_paramiko", "paramiko"), ("import_fabric", "paramiko invoke fabric")]
)
def test_what_is_imported(call: str, found: str) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(call)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [found, "False", "True Mock"], done.stderr


def test_a_match_by_a_program_is_understood(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('Match exec "test %h = there"\n  Port 2202\nHost *\n  User somebody\n')
    script = (
        "import sys; from pathlib import Path; from kprov.provision.transport import ssh_config as c; "
        "c.FILES = (Path(sys.argv[1]),); print(c.look_up('there').port, c.look_up('elsewhere').port)"
    )
    command = [sys.executable, "-c", script, str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.stdout == "2202 None\n", done.stderr
