"""Settings from files: the project's `.runner.toml`, then the user's own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from runner.errors import UsageError
from runner.presets import Preset, read_presets
from runner.text import decoded

PROJECT_FILE = Path(".runner.toml")


@dataclass(frozen=True)
class Settings:
    """The content of the settings files."""

    convert: Mapping[str, Any] = field(default_factory=dict)
    """Values for options of `runner convert`, by their long name with `_`."""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    """The file that each value comes from."""


def user_file() -> Path:
    """Return the path of the user's own settings on this platform."""
    return user_config_path("runner", appauthor=False) / "config.toml"


def read_settings(options: Mapping[str, str] | None = None) -> Settings:
    """Read both files.

    *options* maps the names that `[convert]` may set to their names in the program; without it,
    names are kept as written.

    Raises:
        UsageError: A file is not TOML, or has an unknown name.
    """
    convert: dict[str, Any] = {}
    origins: dict[str, str] = {}
    presets: dict[str, Preset] = {}
    for path in (user_file(), PROJECT_FILE):  # what is read later wins
        table = _read(path)
        _refuse_unknown(path, table, ("convert", "presets"), "table")
        written = _table(path, table, "convert")
        if options is not None:
            _refuse_unknown(path, written, options, "setting")
            written = {options[name]: value for name, value in written.items()}
        convert |= written
        origins |= dict.fromkeys(written, str(path))
        presets |= read_presets(_table(path, table, "presets"), str(path))
    return Settings(convert, presets, origins)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"cannot read the settings in {path}: {error.strerror}") from error
    import tomllib  # noqa: PLC0415 - most have no such file

    try:
        return tomllib.loads(decoded(data))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8: save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path} is not valid TOML: it is nested too deeply") from error


def _table(path: Path, table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = table.get(name, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{path}: '{name}' must be a table: [{name}]")
    return value


def _refuse_unknown(
    path: Path, table: Mapping[str, Any], known: Collection[str], what: str
) -> None:
    if unknown := sorted(set(table) - set(known)):
        raise UsageError(
            f"{path}: unknown {what} '{unknown[0]}'; choose from {', '.join(sorted(known))}"
        )
