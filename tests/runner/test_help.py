"""How `--help` looks, of each command."""

import re

import click
import pytest

from runner.cli import cli
from runner.cli.help import SECTIONS, Command

COMMANDS = cli.list_commands(click.Context(cli))


def help_of(name: str) -> str:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    with click.Context(command, info_name=f"runner {name}", terminal_width=80) as context:
        return command.get_help(context)


def headings(text: str) -> list[str]:
    return re.findall(r"^(\w.*):$", text, re.MULTILINE)


def test_the_help_of_convert_has_sections_and_ends_with_three_examples() -> None:
    text = help_of("convert")
    assert headings(text) == [*(f"{section} options" for section in SECTIONS), "Examples"]
    examples = re.findall(r"^  (runner convert .*)$", text.partition("Examples:")[2], re.MULTILINE)
    assert len(examples) == 3


def test_an_option_is_in_the_section_that_it_belongs_to() -> None:
    parts = re.split(r"^\w+ options:$", help_of("convert"), flags=re.MULTILINE)
    expected = ("--include", "--overwrite", "--retries", "--detach", "--json")
    for option, part in zip(expected, parts[1:], strict=True):
        assert re.search(rf"^  .*{option}\b", part, re.MULTILINE), option


@pytest.mark.parametrize("name", COMMANDS)
def test_defaults_and_ranges_are_plain_words(name: str) -> None:
    text = " ".join(help_of(name).split())
    assert not re.search(r"\[default: \(|<=x|x>=|dynamic|\[default: no-|\[default[^\]]*\] \[", text)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("convert", "stay in Azure storage. [default: out]"),
        ("convert", "[default: 4; 1 to 64]"),
        ("convert", "[default: as many as fill the cores; 1 or more]"),
        ("convert", "after the run. [default: off]"),
        ("convert", "-vv prints each request. --"),
        ("retry", "temporary failure. [default: as in the run; 0 to 1000]"),
    ],
)
def test_so_they_are_said(command: str, words: str) -> None:
    assert words in " ".join(help_of(command).split())


def test_few_options_have_no_sections() -> None:
    assert headings(help_of("runs")) == ["Options"]
    assert "Azure options" in headings(help_of("attach"))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "completion"])
def test_each_command_shows_its_options_in_the_same_way(name: str) -> None:
    assert isinstance(cli.get_command(click.Context(cli), name), Command)
