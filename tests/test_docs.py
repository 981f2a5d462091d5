"""The documents say what the program does: what is made from it is up to date, what is named exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import ExitCode

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_is_what_the_program_makes(tmp_path: Path) -> None:
    reference = ROOT / "docs" / "reference.md"
    made = subprocess.run(
        [sys.executable, "tools/reference.py", "-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    assert made.stdout == reference.read_text(encoding="utf-8"), "run python tools/reference.py"


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
