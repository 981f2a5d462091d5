"""Refuse what azure-native's own types do not know: properties, enum values, kinds of value."""

import enum
import importlib
import inspect
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any

import pulumi
from pulumi import _types as types

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for a value that is not known before the deployment."""


def faults(token: str, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Find what is wrong with *inputs* of a resource: pairs of property and reason."""
    return list(faults_of_object(arguments_class(token), inputs, ""))


@cache
def arguments_class(token: str) -> type:
    """Return azure-native's class of a resource's arguments.

    Raises:
        LookupError: azure-native has no such resource.
    """
    _, module_name, name = token.split(":")
    try:
        resource = getattr(importlib.import_module(f"pulumi_azure_native.{module_name}"), name)
    except (ImportError, AttributeError):
        raise LookupError(f"azure-native has no {token}") from None
    module = importlib.import_module(resource.__module__)
    # where "SubnetArgs" is a nested type, the resource's own are "SubnetInitArgs"
    found = getattr(module, f"{name}InitArgs", None) or getattr(module, f"{name}Args")
    assert isinstance(found, type)
    return found


@cache
def properties(kind: type) -> Mapping[str, Any]:
    """Return the types of an arguments class, by the names that travel."""
    return typing.cast("Mapping[str, Any]", types.input_type_types(kind))


@cache
def required(kind: type) -> frozenset[str]:
    """Return the names that travel of the arguments that must be given."""
    names = types.input_type_py_to_pulumi_names(kind)
    signature = inspect.signature(kind).parameters
    return frozenset(
        names[name]
        for name, parameter in signature.items()
        if parameter.default is parameter.empty and name in names
    )


def faults_of_object(kind: type, value: object, where: str) -> Iterator[tuple[str, str]]:
    """Check an object against its arguments class."""
    if not isinstance(value, Mapping):
        yield where, f"expected an object, got {value!r}"
        return
    known = properties(kind)
    for name in required(kind) - value.keys():
        yield f"{where}{name}", "is required"
    for name, member in value.items():
        if name not in known:
            yield f"{where}{name}", f"is no property of {kind.__name__}"
        else:
            yield from faults_of_value(known[name], member, f"{where}{name}")


def faults_of_value(kind: Any, value: object, where: str) -> Iterator[tuple[str, str]]:
    """Check any value against a type hint."""
    choices = alternatives(kind)
    if value is None or value == UNKNOWN or Any in choices:
        return
    enums = [each for each in choices if isinstance(each, type) and issubclass(each, enum.Enum)]
    if enums:
        yield from faults_of_enum(enums, value, where)
        return
    problems = [list(faults_of_one(each, value, where)) for each in choices]
    if all(problems):
        yield from min(problems, key=len)


def faults_of_enum(
    enums: Sequence[type[enum.Enum]], value: object, where: str
) -> Iterator[tuple[str, str]]:
    """Check that *value* is one of the listed ones."""
    known = [member.value for each in enums for member in each]
    if value not in known:
        yield where, f"{value!r} is none of {', '.join(map(str, known))}"


def faults_of_one(kind: Any, value: object, where: str) -> Iterator[tuple[str, str]]:
    """Check *value* against one type that is no union and no enum."""
    match typing.get_origin(kind) or kind:
        case origin if origin in {list, Sequence}:
            yield from faults_of_list(kind, value, where)
        case origin if origin in {dict, Mapping}:
            yield from faults_of_map(kind, value, where)
        case scalar if scalar in SCALARS:
            if not SCALARS[scalar](value):
                yield where, f"expected {scalar.__name__}, got {value!r}"
        case _:
            yield from faults_of_object(kind, value, f"{where}.")


def faults_of_list(kind: Any, value: object, where: str) -> Iterator[tuple[str, str]]:
    """Check every member of a list."""
    if not isinstance(value, list):
        yield where, f"expected a list, got {value!r}"
        return
    for place, member in enumerate(value):
        yield from faults_of_value(typing.get_args(kind)[0], member, f"{where}[{place}]")


def faults_of_map(kind: Any, value: object, where: str) -> Iterator[tuple[str, str]]:
    """Check every value of a map."""
    if not isinstance(value, Mapping):
        yield where, f"expected a map, got {value!r}"
        return
    for name, member in value.items():
        yield from faults_of_value(typing.get_args(kind)[1], member, f"{where}.{name}")


SCALARS = {
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int | float) and float(value).is_integer(),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def alternatives(kind: Any) -> list[Any]:
    """Take a hint apart, leaving out what only Python's side of Pulumi adds to it."""
    if typing.get_origin(kind) not in {typing.Union, UnionType}:
        return [kind]
    return [
        each
        for part in typing.get_args(kind)
        for each in alternatives(part)
        if each is not NoneType and typing.get_origin(each) not in {Awaitable, pulumi.Output}
    ]
