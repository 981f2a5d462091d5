"""Refuse changes that Azure never makes in the preview, with the name of the setting.

azure-native would send each of these as an update, and Azure would reject it at every `pulumi up` until
somebody finds out which setting to restore. Pulumi's hooks get the old and new inputs of a resource
before anything is changed: https://www.pulumi.com/docs/iac/concepts/resources/options/hooks/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from ipaddress import IPv4Network
from typing import Any

import pulumi

Inputs = Mapping[str, Any]


def unchanged(old: object, new: object) -> bool:
    """Return whether Azure allows a change from *old* to *new*: never."""
    return old == new


def not_switched_off(old: object, new: object) -> bool:
    """Return whether it allows the change of something that cannot be switched off again."""
    return not old or bool(new)


def convertible(old: object, new: object) -> bool:
    """Return whether it allows a change of redundancy: to and from zones only on request."""
    return old == new or {old, new} == {"Standard_LRS", "Standard_GRS"}


def covers_old_ranges(old: object, new: object) -> bool:
    """Return whether it allows a change of address ranges: only to larger ones, as their subnets are in use."""
    olds, news = ([IPv4Network(each) for each in ranges or ()] for ranges in (old, new))  # type: ignore[attr-defined]  # lists of strings
    return all(any(was.subnet_of(space) for space in news) for was in olds)


@dataclass(frozen=True, kw_only=True)
class ImmutableProperty:
    """A property that cannot change after its resource was created."""

    path: str
    """The path in the resource's inputs, with dots."""
    setting: str
    """The setting that would change it."""
    why: str
    allows: Callable[[object, object], bool] = unchanged


LOCATION = ImmutableProperty(
    path="location",
    setting="azure-native:location",
    why="nothing can move to another region; create another stack there",
)

IMMUTABLE: Mapping[str, tuple[ImmutableProperty, ...]] = {
    "keyvault:Vault": (
        ImmutableProperty(
            path="properties.softDeleteRetentionInDays",
            setting="keyVaultSoftDeleteDays",
            why="a vault keeps its original number of days",
        ),
        ImmutableProperty(
            path="properties.enablePurgeProtection",
            setting="keyVaultPurgeProtection",
            why="it cannot be switched off again",
            allows=not_switched_off,
        ),
    ),
    "storage:StorageAccount": (
        ImmutableProperty(
            path="sku.name",
            setting="storageRedundancy",
            why="request a conversion in the portal, or create another stack",
            allows=convertible,
        ),
        ImmutableProperty(
            path="encryption.keyVaultProperties.keyName",
            setting="storageEncryptionKey",
            why="Azure keeps using the old key; choose Microsoft's key in the portal",
            allows=not_switched_off,
        ),
    ),
    "network:VirtualNetwork": (
        ImmutableProperty(
            path="addressSpace.addressPrefixes",
            setting="vnetCidr",
            why="the nodes' subnet is in it (a larger range around it is possible); or create another stack",
            allows=covers_old_ranges,
        ),
    ),
    "consumption:Budget": (
        ImmutableProperty(
            path="timePeriod.startDate",
            setting="budgetStart",
            why="a budget keeps its first month; to change it, set monthlyBudget 0, run `pulumi up`, then set both",
        ),
    ),
}
"""By azure-native's type. Other properties can be changed by Azure, or cause a replacement: of a pool by
its new name, of a Batch account and others by azure-native itself."""


class SettingRefusedError(Exception):
    """A setting was changed that Azure cannot change."""


def at(inputs: Inputs | None, path: str) -> object:
    """Return the value at *path* in *inputs*; None if there is none."""
    value: Any = inputs or {}
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def refuse_change(args: pulumi.ResourceHookArgs) -> None:
    """Refuse an update of a property that cannot change.

    Raises:
        SettingRefusedError: With the setting and its old value.
    """
    kind = args.type.removeprefix("azure-native:")
    for each in (LOCATION, *IMMUTABLE.get(kind, ())):
        old, new = at(args.old_inputs, each.path), at(args.new_inputs, each.path)
        if not each.allows(old, new):
            raise SettingRefusedError(
                f"{each.setting}: {shown(new)}: was {shown(old)}, and cannot be changed: {each.why}"
            )


def shown(value: object) -> str:
    """Format an input's value for people."""
    while isinstance(value, (dict, list)) and len(value) == 1:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    # the protocol only has floating-point numbers
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def refuse_month(args: pulumi.ResourceHookArgs) -> None:
    """Refuse to create a budget with a first month that Azure does not allow.

    This is only for new budgets: the month of an existing one may be in the past.

    Raises:
        SettingRefusedError: With a month that is allowed.
    """
    start = date.fromisoformat(str(at(args.new_inputs, "timePeriod.startDate"))[:10])
    if words := month_fault(start, datetime.now(UTC).date()):
        raise SettingRefusedError(f"budgetStart: {start}: {words}")


def month_fault(start: date, today: date) -> str:
    """Return why a budget that starts at *start* cannot be created today; empty if it can."""
    ahead = (start.year - today.year) * 12 + start.month - today.month
    if ahead < 0:
        return f"is in the past, which Azure does not allow: use {today.replace(day=1)}"
    return "is more than 12 months ahead, which Azure does not allow" if ahead > 12 else ""


def check_changes() -> None:
    """Check every resource of the program before it is changed, in previews too."""
    early = pulumi.ResourceHookOptions(on_dry_run=True)
    change = pulumi.ResourceHook("refuse-change", refuse_change, early)
    month = pulumi.ResourceHook("refuse-month", refuse_month, early)

    # An in-process transformation: the newer transforms go through the engine, which returns an
    # explicit `delete_before_replace=False` as unset.
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
