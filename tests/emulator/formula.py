"""Parse the text of an autoscale formula into a tree. Pure: knows the grammar, computes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

MAX_BYTES = 8192
MAX_STATEMENTS = 100

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<string>"[^"\n]*")
  | (?P<name>[$A-Za-z_][$\w]*)
  | (?P<mark>&&|\|\||[<>=!]=|[-+*/<>=!?:;,.()])
    """,
    re.VERBOSE | re.DOTALL,
)
# from the loosest to the tightest; all associate to the left
BINARY = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/"))


class AutoScaleError(Exception):
    """A formula that the service would refuse.

    *code* is the service's own; *detail* says where, as "Line 1, Col 5: …".
    """

    MESSAGES = {  # noqa: RUF012 -- a table, never assigned
        "AutoScalingFormulaSyntaxError": "The specified autoscaling formula has a syntax error.",
        "AutoScalingFormulaTooLong": "The autoscaling formula exceeds the maximum length.",
        "AutoScalingFormulaEvaluationError": "The autoscaling formula could not be evaluated.",
        "InsufficientSampleData": "Autoscale evaluation failed due to insufficient sample data",
    }

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.message = self.MESSAGES[code]
        self.detail = detail


@dataclass(frozen=True)
class At:
    """A place in the text, counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"Line {self.line}, Col {self.column}"


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    at: At


@dataclass(frozen=True)
class Number:
    value: float
    at: At


@dataclass(frozen=True)
class Text:
    value: str
    at: At


@dataclass(frozen=True)
class Name:
    name: str
    at: At


@dataclass(frozen=True)
class Member:
    """``value.name`` without arguments, such as ``now.hour``."""

    value: Expression
    name: str
    at: At


@dataclass(frozen=True)
class Call:
    """``name(…)``, or ``$Variable.name(…)`` where *on* is the variable."""

    on: Expression | None
    name: str
    arguments: tuple[Expression, ...]
    at: At


@dataclass(frozen=True)
class Unary:
    operator: str
    operand: Expression
    at: At


@dataclass(frozen=True)
class Binary:
    operator: str
    left: Expression
    right: Expression
    at: At


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``; only the chosen side is evaluated."""

    condition: Expression
    yes: Expression
    no: Expression
    at: At


Expression = Number | Text | Name | Member | Call | Unary | Binary | Choice


@dataclass(frozen=True)
class Statement:
    """``name = expression``; a bare expression has no name."""

    name: str | None
    expression: Expression
    at: At


def parse(text: str) -> tuple[Statement, ...]:
    """Read a whole formula.

    Raises:
        AutoScaleError: AutoScalingFormulaTooLong or AutoScalingFormulaSyntaxError.
    """
    if len(text.encode()) > MAX_BYTES:
        raise AutoScaleError("AutoScalingFormulaTooLong", f"more than {MAX_BYTES} bytes")
    statements = Parser(tokens(text)).formula()
    if len(statements) > MAX_STATEMENTS:
        raise AutoScaleError("AutoScalingFormulaTooLong", f"more than {MAX_STATEMENTS} statements")
    return statements


def tokens(text: str) -> list[Token]:
    """Cut *text* into its words; the last one is always the "end" token."""
    found, position, line, line_start = [], 0, 1, 0
    while position < len(text):
        match = TOKEN.match(text, position)
        at = At(line, position - line_start + 1)
        if match is None:
            fail(at, f"unexpected character {text[position]!r}")
        if match.lastgroup != "skip":
            found.append(Token(str(match.lastgroup), match.group(), at))
        line += match.group().count("\n")
        if "\n" in match.group():
            line_start = match.start() + match.group().rindex("\n") + 1
        position = match.end()
    found.append(Token("end", "end of formula", At(line, position - line_start + 1)))
    return found


def fail(at: At, words: str) -> NoReturn:
    raise AutoScaleError("AutoScalingFormulaSyntaxError", f"{at}: {words}")


class Parser:
    """A cursor over the tokens, one method for each rule of the grammar."""

    def __init__(self, words: list[Token]) -> None:
        self.words = words
        self.position = 0

    @property
    def word(self) -> Token:
        return self.words[self.position]

    def take(self) -> Token:
        word = self.word
        self.position += 1
        return word

    def found(self, *marks: str) -> bool:
        return self.word.kind == "mark" and self.word.text in marks

    def expect(self, mark: str) -> None:
        if not self.found(mark):
            fail(self.word.at, f"expected {mark!r}, found {self.word.text!r}")
        self.take()

    def formula(self) -> tuple[Statement, ...]:
        statements = []
        while self.word.kind != "end":
            if self.found(";"):  # empty statements are harmless
                self.take()
                continue
            statements.append(self.statement())
            if self.word.kind != "end":
                self.expect(";")
        return tuple(statements)

    def statement(self) -> Statement:
        start, ahead = self.word, self.words[self.position + 1 : self.position + 2]
        name = None
        if start.kind == "name" and ahead and (ahead[0].kind, ahead[0].text) == ("mark", "="):
            name = self.take().text
            self.take()
        return Statement(name, self.choice(), start.at)

    def choice(self) -> Expression:
        condition = self.binary(0)
        if not self.found("?"):
            return condition
        at = self.take().at
        yes = self.choice()
        self.expect(":")
        return Choice(condition, yes, self.choice(), at)

    def binary(self, level: int) -> Expression:
        if level == len(BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while self.found(*BINARY[level]):
            operator = self.take()
            left = Binary(operator.text, left, self.binary(level + 1), operator.at)
        return left

    def unary(self) -> Expression:
        if self.found("-", "!"):
            operator = self.take()
            return Unary(operator.text, self.unary(), operator.at)
        return self.postfix(self.primary())

    def postfix(self, value: Expression) -> Expression:
        while self.found("."):
            self.take()
            name = self.take()
            if name.kind != "name":
                fail(name.at, f"expected a name after '.', found {name.text!r}")
            if self.found("("):
                value = Call(value, name.text, self.arguments(), name.at)
            else:
                value = Member(value, name.text, name.at)
        return value

    def primary(self) -> Expression:
        word = self.take()
        if word.kind == "number":
            return Number(float(word.text), word.at)
        if word.kind == "string":
            return Text(word.text[1:-1], word.at)
        if word.kind == "name":
            return self.name(word)
        if (word.kind, word.text) == ("mark", "("):
            inside = self.choice()
            self.expect(")")
            return inside
        fail(word.at, f"unexpected {word.text!r}")

    def name(self, word: Token) -> Expression:
        if self.found("("):
            return Call(None, word.text, self.arguments(), word.at)
        return Name(word.text, word.at)

    def arguments(self) -> tuple[Expression, ...]:
        self.expect("(")
        given: list[Expression] = []
        while not self.found(")"):
            if given:
                self.expect(",")
            given.append(self.choice())
        self.expect(")")
        return tuple(given)
