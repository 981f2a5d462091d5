"""Let mkdocs show the pages beside docs/ too: README.md as its first one. See mkdocs.yml."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_SITE = {"README.md": "index.md"}
_BESIDE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "BENCHMARKS.md")
_FILES = ("NOTICE", "Pulumi.yaml")
_LINK = re.compile(r"(?<=\]\()(?:docs/|\.\./)?([^):#]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside docs/."""
    for name in (*_BESIDE, *_FILES):
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, _SITE.get(name, name), content=text))
    return files


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Let links between the two folders lead to where all pages are one folder."""
    return _LINK.sub(lambda link: _SITE.get(link[1], link[1]), markdown)
