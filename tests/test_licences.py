"""What runner brings along is under licences that were looked at; the ones that ask something are named."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ALLOWED = {"MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "PSF-2.0"}
NAMED = {"mutagen": "GPL-2.0-or-later", "certifi": "MPL-2.0", "imageio-ffmpeg": "BSD-2-Clause"}
"""Those that NOTICE tells of: they ask something of whoever passes them on, or hold what does."""
# Older packages have no expression, and say it in other words.
_WORDS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def needed(name: str, extras: frozenset[str] = frozenset()) -> Iterator[Distribution]:
    """The distribution *name* with all that it needs on this system, some of it more than once."""
    found = distribution(name)
    yield found
    for line in found.requires or ():
        wanted = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        if wanted.marker is None or any(map(wanted.marker.evaluate, environments)):
            yield from needed(wanted.name, frozenset(wanted.extras))


def licences_of(found: Distribution) -> set[str]:
    """The licences of which one may be chosen, as far as the metadata says."""
    metadata = found.metadata.json
    if expression := metadata.get("license_expression"):
        return set(str(expression).split(" OR "))
    word = str(metadata.get("license", ""))
    if word and "\n" not in word and len(word) < 40:
        return {_WORDS.get(word, word)}
    classifiers = metadata.get("classifier", [])
    return {
        _WORDS.get(name, name)
        for line in classifiers
        if line.startswith("License ::") and (name := line.rpartition(" :: ")[2]) != "OSI Approved"
    }


RUNTIME = {found.name: found for found in needed("batch-ffmpeg-runner", frozenset({"azure"}))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
INFRA = {
    found.name: found
    for line in PROJECT["dependency-groups"]["infra"]
    for found in needed(Requirement(line).name)
}


@pytest.mark.parametrize("name", sorted({**RUNTIME, **INFRA}))
def test_each_library_is_under_a_licence_that_was_looked_at(name: str) -> None:
    licences = licences_of({**RUNTIME, **INFRA}[name])
    assert licences & ALLOWED or licences == {NAMED.get(name)}, licences


def test_the_list_is_that_of_what_is_needed() -> None:
    assert {"click", "azure-core", "cryptography", "mutagen", "imageio-ffmpeg"} <= RUNTIME.keys()
    assert "pulumi" in INFRA.keys() - RUNTIME.keys()
    assert "pytest" not in INFRA


@pytest.mark.parametrize("name", NAMED)
def test_what_asks_something_is_named(name: str) -> None:
    assert NAMED[name] in licences_of(RUNTIME[name])
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert name in notice
    assert NAMED[name] in notice


@pytest.mark.needs_services
def test_the_embedded_ffmpeg_is_under_the_licence_that_is_said() -> None:
    shown = subprocess.run(
        [get_ffmpeg_exe(), "-version"], capture_output=True, text=True, check=True
    ).stdout
    assert "--enable-gpl" in shown
    assert "--enable-version3" in shown
    assert "--enable-nonfree" not in shown, "that could not be passed on at all"
    for page in ("NOTICE", "README.md"):
        words = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert re.search(r"(GPL|GNU General Public License), version 3", words)
        assert "separate program" in words


def test_the_notice_travels_with_the_package() -> None:
    assert PROJECT["project"]["license-files"] == ["LICENSE", "NOTICE"]
