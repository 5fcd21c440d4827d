"""The reference that is made from the code says what the code says. KPROV_UPDATE_DOCS=1 writes it anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from reference_pages import PAGES

DOCS = Path(__file__).resolve().parents[3] / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#([^)]*))?\)")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_in_step_with_the_code(name: str) -> None:
    path, wanted = DOCS / "reference" / name, PAGES[name]().rstrip() + "\n"
    if os.environ.get("KPROV_UPDATE_DOCS"):
        path.write_text(wanted)
    assert path.read_text() == wanted, f"write it anew: KPROV_UPDATE_DOCS=1 pytest {Path(__file__).parent}"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        path = page.parent / target
        assert path.exists(), f"{page}: {target} is not there"
        if anchor and path.suffix == ".md":
            heads = [line.lstrip("# ") for line in path.read_text().splitlines() if line.startswith("#")]
            anchors = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}
            assert anchor in anchors, f"{page}: {target} has no heading for #{anchor}"
