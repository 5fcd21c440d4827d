"""What a template says of the moment is this run's, whatever an earlier run has made of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RUN = """
import sys
from pathlib import Path
from kprov.provision.engine.scope import Scope
from kprov.provision.engine.search_path import SearchPath
from kprov.provision.engine.templating import Templar
templar = Templar(SearchPath((Path(sys.argv[1]),)))
print(templar.render_file("x.j2", Scope(templar, [({}, False)])))
"""


def test_files_time_and_chance_are_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    flag = tmp_path / "flag"
    template = f"{{{{ '{flag}' is exists }}}} {{{{ '%s%f' | strftime }}}} {{{{ 1000000000000 | random }}}}"
    (tmp_path / "templates/x.j2").write_text(template)

    def run() -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.split()

    first = run()
    flag.touch()
    second = run()
    assert (first[0], second[0]) == ("False", "True")
    assert first[2] != second[2]
