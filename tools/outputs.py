"""Write docs/outputs.md from infra/outputs.py: each output of the stack, what it is, and who reads it.

python tools/outputs.py
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DECLARED = ROOT / "infra" / "outputs.py"
READERS = (ROOT / "runner" / "azure" / "deployment.py", ROOT / "runner" / "azure" / "pools.py")

BEFORE = """# Outputs of the stack

`pulumi stack output` shows all of them, and `pulumi stack output NAME` shows one, for a script. To use runner on a machine
without Pulumi, write them to a file with `pulumi stack output --json > outputs.json` and pass it with `runner --outputs`.
None is a secret. Newer versions may add outputs. If one is removed or changes its meaning, `outputs_schema` is raised, and
an older `runner` says that it must be updated.

This page is made by `python tools/outputs.py`.
"""


def page() -> str:
    """Return the page."""
    read = {name for path in READERS if path.exists() for _, name, _ in fields(path)}
    rows: dict[str, list[str]] = {}
    for kind, name, what in fields(DECLARED):
        who = "`runner`" if name in read else "people and scripts"
        rows.setdefault(kind, []).append(f"| `{name}` | {what} | {who} |")
    tables = []
    for kind in sorted(rows, key=lambda kind: kind != "Outputs"):  # the stack's own first
        title = [] if kind == "Outputs" else ["", "## Fields of each pool in `pools`", ""]
        tables += [*title, "| name | what it is | read by |", "|---|---|---|", *rows[kind]]
    return "\n".join([BEFORE, *tables]) + "\n"


def fields(path: Path) -> Iterator[tuple[str, str, str]]:
    """List the dataclasses' fields: class, name, and the text below it in one line."""
    for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(each, ast.ClassDef):
            continue
        for node, after in zip(each.body, [*each.body[1:], ast.Pass()], strict=True):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    what = " ".join(text.split()).rstrip(".")
                case _:
                    what = ""
            yield each.name, node.target.id, what


def main() -> None:
    """Write the page; with `-` to stdout."""
    if sys.argv[1:] == ["-"]:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        sys.stdout.write(page())
    else:
        (ROOT / "docs" / "outputs.md").write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
