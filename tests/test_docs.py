"""The documents say what the program does: what is made from it is up to date, what is named exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import ExitCode

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("name", ["reference", "outputs"])
def test_the_page_is_what_the_program_makes(name: str) -> None:
    made = subprocess.run(
        [sys.executable, f"tools/{name}.py", "-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    page = ROOT / "docs" / f"{name}.md"
    assert made.stdout == page.read_text(encoding="utf-8"), f"run python tools/{name}.py"


def test_every_output_of_the_stack_says_what_it_is() -> None:
    page = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*) \|$", page, re.MULTILINE)
    assert len(rows) > 20
    assert [name for name, what, who in rows if not (what and who)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_the_readme_has_every_exit_code() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [(str(int(code)), code.meaning) for code in ExitCode]


def test_no_document_names_a_setting_of_the_stack_that_does_not_exist() -> None:
    known = set(re.findall(r"^  (\w+):$", (ROOT / "Pulumi.yaml").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"pulumi config set (\w+)", text))
    assert named <= known
