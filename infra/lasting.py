"""What Azure never changes once it is made: refused in the preview, in the settings' words.

Azure-native would send each of these as an update, and Azure refuse it at every `pulumi up` until
somebody finds out which setting to set back. What a resource is made from, Pulumi knows: its hooks
are called with the old inputs and the new ones, before anything is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv4Network
from typing import Any

import pulumi

Inputs = Mapping[str, Any]


def stays(old: object, new: object) -> bool:
    """Whether Azure takes *new* where there was *old*: only the same."""
    return old == new


def only_grows(old: object, new: object) -> bool:
    """Whether it takes it of what can be switched on and not off."""
    return not old or bool(new)


def converts(old: object, new: object) -> bool:
    """Whether it takes it of a redundancy: to and from zones only on request."""
    return old == new or {old, new} == {"Standard_LRS", "Standard_GRS"}


def holds(old: object, new: object) -> bool:
    """Whether it takes it of a network's ranges, whose subnets are in use: a larger one."""
    olds, news = ([IPv4Network(each) for each in ranges or ()] for ranges in (old, new))  # type: ignore[attr-defined]  # lists of strings
    return all(any(was.subnet_of(space) for space in news) for was in olds)


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """A property that stays as it was when its resource was made."""

    path: str
    """In the resource's inputs, with dots."""
    setting: str
    """The key whose change would change it."""
    why: str
    allows: Callable[[object, object], bool] = stays


LOCATION = Lasting(
    path="location",
    setting="azure-native:location",
    why="nothing moves to another region; for one there, make another stack",
)

LASTING: Mapping[str, tuple[Lasting, ...]] = {
    "keyvault:Vault": (
        Lasting(
            path="properties.softDeleteRetentionInDays",
            setting="keyVaultSoftDeleteDays",
            why="a vault keeps the days that it was made with",
        ),
        Lasting(
            path="properties.enablePurgeProtection",
            setting="keyVaultPurgeProtection",
            why="a vault that has it keeps it",
            allows=only_grows,
        ),
    ),
    "storage:StorageAccount": (
        Lasting(
            path="sku.name",
            setting="storageRedundancy",
            why="Azure converts that only on request (a conversion in the portal), or make another stack",
            allows=converts,
        ),
        Lasting(
            path="encryption.keyVaultProperties.keyName",
            setting="storageEncryptionKey",
            why="Azure goes on with a key that is no longer named; choose Microsoft's in the portal",
            allows=only_grows,
        ),
    ),
    "network:VirtualNetwork": (
        Lasting(
            path="addressSpace.addressPrefixes",
            setting="vnetCidr",
            why="the nodes' subnet lies in it (a larger range around it can be had); or make another stack",
            allows=holds,
        ),
    ),
    "consumption:Budget": (
        Lasting(
            path="timePeriod.startDate",
            setting="budgetStart",
            why="a budget keeps its first month; for another, set monthlyBudget 0, `pulumi up`, then both",
        ),
    ),
}
"""By azure-native's type. What is not here is changed by Azure, or replaced: a pool by its name, a
Batch account and what azure-native knows by themselves."""


class LastingError(Exception):
    """A setting was changed that Azure keeps."""


def at(inputs: Inputs | None, path: str) -> object:
    """Return what is at *path* in *inputs*; None for nothing."""
    value: Any = inputs or {}
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def refuse_change(args: pulumi.ResourceHookArgs) -> None:
    """Refuse an update of a property that stays.

    Raises:
        LastingError: With the setting, and what it was.
    """
    kind = args.type.removeprefix("azure-native:")
    for each in (LOCATION, *LASTING.get(kind, ())):
        old, new = at(args.old_inputs, each.path), at(args.new_inputs, each.path)
        if not each.allows(old, new):
            raise LastingError(
                f"{each.setting}: {shown(new)}: was {shown(old)}, and stays so: {each.why}"
            )


def shown(value: object) -> str:
    """Write an input's value for a person."""
    while isinstance(value, (dict, list)) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    # the protocol has one kind of number
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def refuse_month(args: pulumi.ResourceHookArgs) -> None:
    """Refuse to make a budget that begins when Azure lets none begin.

    Only then: the month of a budget that is there may well be past.

    Raises:
        LastingError: With the month that can be.
    """
    start = date.fromisoformat(str(at(args.new_inputs, "timePeriod.startDate"))[:10])
    if words := month_fault(start, datetime.now(UTC).date()):
        raise LastingError(f"budgetStart: {start}: {words}")


def month_fault(start: date, today: date) -> str:
    """Say why no budget can be made today that begins at *start*; empty if one can."""
    ahead = (start.year - today.year) * 12 + start.month - today.month
    if ahead < 0:
        return f"is past, and Azure makes no such budget: take {today.replace(day=1)}"
    return "is more than 12 months ahead, which Azure refuses" if ahead > 12 else ""


def watch_for_changes() -> None:
    """Have every resource of the program looked at before it is changed, in previews too."""
    early = pulumi.ResourceHookOptions(on_dry_run=True)
    change = pulumi.ResourceHook("refuse-change", refuse_change, early)
    month = pulumi.ResourceHook("refuse-month", refuse_month, early)

    # A transformation in this process: newer transforms go through the engine, which gives an
    # explicit `delete_before_replace=False` back as unset.
    def bind(
        args: pulumi.ResourceTransformationArgs,
    ) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith("azure-native:"):
            return None
        is_budget = args.type_.endswith(":Budget")
        hooks = pulumi.ResourceHookBinding(
            before_update=[change], before_create=[month] if is_budget else None
        )
        opts = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformationResult(props=args.props, opts=opts)

    pulumi.runtime.register_stack_transformation(bind)
