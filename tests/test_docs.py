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


def test_the_map_of_the_code_names_files_and_functions_that_exist() -> None:
    """A file without a folder is in that of the file before it, or in a folder below it."""
    table = (
        (ROOT / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .split("| to change | look at |")[1]
        .split("\n\n")[0]
    )
    for row in table.splitlines()[2:]:
        names, folder = re.findall("`([^`]+)`", row.rpartition(" | ")[2]), ROOT
        wanted = []
        for name in names:
            if re.fullmatch(r"\w+", name):
                wanted.append(name)
                continue
            path = next((top / name for top in (ROOT, folder) if (top / name).exists()), None)
            assert path is not None, f"{name} in {row}"
            folder = path if path.is_dir() else path.parent
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            wanted = [
                one for one in wanted if f"def {one}(" not in text and f"class {one}" not in text
            ]
        assert wanted == [], row
