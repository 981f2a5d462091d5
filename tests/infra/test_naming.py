import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import naming

anything = st.text(max_size=60)
prefixes = st.from_regex(naming.RULES["prefix"][0], fullmatch=True)


@given(prefixes, anything, st.sampled_from(["st", "kv", "ba"]))
def test_made_up_names_keep_azures_rules_whatever_the_stack_is_called(
    prefix: str, stack: str, kind: str
) -> None:
    name = naming.global_name_prefix(prefix, stack, kind) + "0a1b2c3d"
    for resource in ("storage account", "Batch account", "key vault"):
        assert naming.validate_name(resource, name) is None


def test_made_up_names_use_all_the_room_that_azure_gives() -> None:
    name = naming.global_name_prefix("abcdefghij", "k" * 40, "st")
    assert name == "abcdefghijkkkkst"
    assert len(name) + len("0a1b2c3d") == 24
    shared = naming.container("abcdefghij", "k" * 80, "output")
    assert shared.startswith("abcdefghij-kk")
    assert shared.endswith("k-output")
    assert len(shared) == 63


@given(prefixes, anything)
def test_the_groups_name_keeps_azures_rules_whatever_the_stack_is_called(
    prefix: str, stack: str
) -> None:
    assert naming.validate_name("resource group", naming.local_name(prefix, stack, "rg")) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("storage account", "ab"),
        ("storage account", "with-hyphen"),
        ("storage account", "Upper"),
        ("storage account", "a" * 25),
        ("key vault", "1vault"),
        ("key vault", "two--hyphens"),
        ("key vault", "ends-"),
        ("key vault", "a" * 25),
        ("Batch account", "no_underscore"),
        ("pool", "no.dots"),
        ("resource group", "last.dot."),
        ("prefix", "9lives"),
        ("prefix", "muchtoolong"),
    ],
)
def test_names_that_azure_refuses_are_refused_first(kind: str, name: str) -> None:
    assert naming.validate_name(kind, name) == naming.RULES[kind][1]


def test_a_grant_has_the_same_name_in_every_stack() -> None:
    scope = "/subscriptions/1/resourceGroups/rg"
    assert naming.role_assignment(scope, "p", "r") == naming.role_assignment(
        scope.upper(), "P", "R"
    )
    assert naming.role_assignment(scope, "p", "r") == "f61ad3ce-072f-5340-8014-d598f2c0e1c6"


def test_other_grants_have_other_names() -> None:
    names = {
        naming.role_assignment(scope, principal, role)
        for scope in ("/a", "/b")
        for principal in ("p", "q")
        for role in ("r", "s")
    }
    assert len(names) == 8


def test_a_digest_ignores_order_and_sees_every_change() -> None:
    assert naming.digest({"a": 1, "b": 2}) == naming.digest({"b": 2, "a": 1})
    assert naming.digest({"a": 1}) != naming.digest({"a": 2})
    assert len(naming.digest({"a": 1})) == 8
