"""Read and check the stack's configuration."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from infra.checks import Problem, key_of, problems
from infra.pools import POOL_SETTINGS
from infra.settings import PoolEntry, Settings


class SettingsError(pulumi.RunError):
    """The stack's configuration is invalid; the message has the key, the value and what to do."""


NOT_CONFIGURED = {"project", "stack"}


def from_pulumi() -> Settings:
    """Return the selected stack's settings.

    Raises:
        SettingsError: With a line for everything that has to change.
    """
    project = pulumi.get_project()
    values = {**get_config_env(), **CONFIG.get()}
    own = {
        key.removeprefix(f"{project}:"): value
        for key, value in values.items()
        if key.startswith((f"{project}:", "azure-native:location"))
    }
    return read(own, project=project, stack=pulumi.get_stack())


def read(values: Mapping[str, str], *, project: str, stack: str) -> Settings:
    """Make settings from configuration *values*, which Pulumi passes as text.

    Raises:
        SettingsError: With a line for everything that has to change.
    """
    kinds = get_type_hints(Settings)
    known = {key_of(each.name): each.name for each in fields(Settings)}
    given: dict[str, Any] = {"project": project, "stack": stack, "location": ""}
    found = list(unknown_keys(values, known))
    for key, text in values.items():
        if (name := known.get(key)) is None:
            continue
        try:
            given[name] = read_pools(text) if name == "pools" else parse(text, kinds[name])
        except BadPoolsError as error:
            found += error.problems
        except ValueError as error:
            found.append(Problem(key, text, str(error)))
    if not found:
        settings = Settings(**given)
        found = list(problems(settings))
    if found:
        raise SettingsError(lines_of(found))
    return settings


class BadPoolsError(ValueError):
    """The list of pools cannot be read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("not a list of pools")
        self.problems = list(problems)


def read_pools(text: str) -> tuple[PoolEntry, ...]:
    """Read the list of pools, which Pulumi passes as JSON.

    Raises:
        BadPoolsError: With everything that is invalid in it.
    """
    try:
        listed = json.loads(text)
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        words = "must be a list of pools: `pulumi config set --path 'pools[0].name' NAME`"
        raise BadPoolsError([Problem("pools", text, words)])
    wrong: list[Problem] = []
    entries = tuple(read_pool(f"pools[{index}].", each, wrong) for index, each in enumerate(listed))
    if wrong:
        raise BadPoolsError(wrong)
    return entries


def read_pool(where: str, values: Mapping[str, Any], wrong: list[Problem]) -> PoolEntry:
    """Read one pool; problems are added to *wrong*."""
    of_settings = get_type_hints(Settings)
    kinds = {"name": str, "purpose": str, "default": bool}
    kinds |= {key_of(name): of_settings[name] for name in POOL_SETTINGS}
    names = {key_of(name): name for name in POOL_SETTINGS}
    given: dict[str, Any] = {}
    for key, value in values.items():
        if key not in kinds:
            words = f"no such setting of a pool; {suggestion(key, kinds, 'docs/deploy.md')}"
            wrong.append(Problem(f"{where}{key}", value, words))
            continue
        try:
            given[key] = parse(value if isinstance(value, str) else json.dumps(value), kinds[key])
        except ValueError as error:
            wrong.append(Problem(f"{where}{key}", value, str(error)))
    own = {names[key]: given.pop(key) for key in list(given) if key in names}
    return PoolEntry(**given, own=own)


def suggestion(key: str, known: Iterable[str], listed: str) -> str:
    """Guess the intended key, or name the file that lists all keys."""
    near = get_close_matches(key, known, n=1)
    return f"did you mean {near[0]}?" if near else f"see {listed} for all settings"


def unknown_keys(values: Iterable[str], known: Iterable[str]) -> Iterator[Problem]:
    """Find unknown keys: otherwise a typing error would silently mean the default."""
    names = set(known) - NOT_CONFIGURED
    for key in values:
        if key not in names:
            yield Problem(key, "", f"no such setting; {suggestion(key, names, 'Pulumi.yaml')}")


def lines_of(found: Iterable[Problem]) -> str:
    """Format one line for each problem."""
    lines = "\n".join(f"  {problem}" for problem in found)
    return f"this stack's configuration is invalid:\n{lines}"


def parse(text: str, kind: Any) -> object:
    """Read *text* as a value of type *kind*.

    Raises:
        ValueError: It is not; the message says what it should look like.
    """
    if get_origin(kind) is Literal:
        return one_of(text, get_args(kind))
    if reader := READERS.get(kind):
        return reader(text)
    return collection(text, kind)


def one_of(text: str, choices: tuple[str, ...]) -> str:
    """Read one of several words."""
    if text not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return text


def parse_int(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def parse_bool(text: str) -> bool:
    """Read true or false, as Pulumi writes them."""
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


READERS: Mapping[Any, Callable[[str], object]] = {str: str.strip, int: parse_int, bool: parse_bool}


def collection(text: str, kind: Any) -> object:
    """Read a list or a map of strings, which Pulumi passes as JSON."""
    wanted = list if get_origin(kind) is tuple else dict
    if wanted is list:
        words = "must be a list of strings: `pulumi config set --path 'KEY[0]' VALUE`"
    else:
        words = "must be a map of strings: `pulumi config set --path KEY.NAME VALUE`"
    try:
        value = json.loads(text)
    except ValueError:
        raise ValueError(words) from None
    members = value.values() if isinstance(value, dict) else value
    if not isinstance(value, wanted) or not all(isinstance(each, str) for each in members):
        raise ValueError(words)
    return tuple(value) if wanted is list else value
