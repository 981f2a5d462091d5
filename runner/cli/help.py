"""The format of `--help`: options in sections, defaults and ranges in plain words, examples at the end."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import click
from click.types import IntRange

SECTIONS = ("Input", "Output", "Conversion", "Azure", "Display")
_FEW = 8
"""Up to this many options need no sections."""


class Option(click.Option):
    """An option that knows its section, one of `SECTIONS`."""

    def __init__(self, *args: Any, section: str = "Display", **details: Any) -> None:
        """*section* is ours; everything else is click's."""
        super().__init__(*args, **details)
        self.section = section

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return its names and its help text; click would write "(out)" and "0<=x<=1000"."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        default = self._default_text(ctx)
        facts = [f"default: {default}" if default else "", self._range_text()]
        text = "; ".join(filter(None, facts))
        return record[0], f"{self.help or ''}{f'  [{text}]' if text else ''}"

    def _default_text(self, ctx: click.Context) -> str:
        if isinstance(self.show_default, str):
            return self.show_default
        if self.show_default and self.is_bool_flag and self.secondary_opts:
            return "on" if self.default else "off"
        return self.get_help_extra(ctx).get("default", "")

    def _range_text(self) -> str:
        if not isinstance(self.type, IntRange) or self.count:
            return ""
        least, most = self.type.min, self.type.max
        return f"{least} or more" if most is None else f"{least} to {most}"


class Command(click.Command):
    """A command whose help has sections, and examples at its end."""

    def __init__(
        self, *args: Any, examples: Sequence[tuple[str, str]] = (), **details: Any
    ) -> None:
        """*examples* are command lines with descriptions; everything else is click's."""
        super().__init__(*args, **details)
        self.examples = examples

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Return the help records of the options by section; one section if there are few."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        if len(options) <= _FEW:
            yield "Options", _records(options, ctx)
            return
        options.sort(key=lambda one: SECTIONS.index(_section_of(one)))
        for section, group in groupby(options, _section_of):
            yield f"{section} options", _records(group, ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        for name, records in self.sections(ctx):
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are typed."""
        if self.examples:
            with formatter.section("Examples"):
                for words, purpose in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{words}\n")
                    with formatter.indentation():
                        formatter.write_text(purpose)
        super().format_epilog(ctx, formatter)


def _section_of(option: click.Option) -> str:
    return option.section if isinstance(option, Option) else "Display"


def _records(options: Any, ctx: click.Context) -> list[tuple[str, str]]:
    return [record for one in options if (record := one.get_help_record(ctx)) is not None]
