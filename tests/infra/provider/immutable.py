"""What Azure keeps as it was made: refused when a PUT wants it otherwise. Data, and how it is read.

azure-native sends all of these as updates. Most are its descriptions' own words ("cannot be changed
after…", "can only be set at the time of creation"); public error reports gave the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.provider.refusals import ArmError, at

CHANGEABLE = {
    "azure-native:batch:Pool": {"scaleSettings", "startTask", "metadata", "applicationPackages"},
    "azure-native:batch:BatchAccount": {
        "allowedAuthenticationModes",
        "autoStorage",
        "encryption",
        "identity",
        "networkProfile",
        "publicNetworkAccess",
        "tags",
    },
    "azure-native:authorization:RoleAssignment": {"description", "condition", "conditionVersion"},
}
"""What Azure lets one change of resources where it does not let one change all."""


REFUSALS = {
    "azure-native:authorization:RoleAssignment": (
        400,
        "RoleAssignmentUpdateNotPermitted",
        "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
    ),
}


def same(old: Any, new: Any) -> bool:
    """Whether Azure takes *new* where there was *old*: only the same."""
    return bool(old == new)


def as_before(old: Any, new: Any) -> bool:
    """Whether it takes it of what a PUT may leave out."""
    return new is None or bool(old == new)


def switched_on(old: Any, new: Any) -> bool:
    """Whether it takes it of what can be switched on, and not off."""
    return not old or bool(new)


def zones_kept(old: Any, new: Any) -> bool:
    """Whether it takes it of a redundancy: neither to nor from zones."""
    return old == new or ("ZRS" not in old and "ZRS" not in new and not _premium(old, new))


def _premium(old: str, new: str) -> bool:
    return old.startswith("Premium") != new.startswith("Premium")


@dataclass(frozen=True, kw_only=True)
class ImmutableProperty:
    """A property that Azure keeps as it was made, and its words when one wants another."""

    path: str
    code: str
    message: str = ""
    allowed: Callable[[Any, Any], bool] = same
    status: int = 400

    def check(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Refuse a change."""
        if not self.allowed(at(old, self.path), at(new, self.path)):
            words = self.message or f"The property '{self.path}' cannot be changed once it is set."
            raise ArmError(self.status, self.code, words)


LOCATION = ImmutableProperty(
    path="location",
    code="InvalidResourceLocation",
    message="The resource already exists in another location. Resources cannot be moved by an update.",
    status=409,
)

IMMUTABLE_PROPERTIES: dict[str, tuple[ImmutableProperty, ...]] = {
    "azure-native:keyvault:Vault": (
        ImmutableProperty(
            path="properties.softDeleteRetentionInDays",
            code="BadRequest",
            message='The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.',
        ),
        ImmutableProperty(
            path="properties.enablePurgeProtection",
            code="BadRequest",
            message='The property "enablePurgeProtection" cannot be set to false.',
            allowed=switched_on,
        ),
        ImmutableProperty(
            path="properties.enableSoftDelete",
            code="BadRequest",
            message='The property "enableSoftDelete" cannot be set to false.',
            allowed=switched_on,
        ),
    ),
    "azure-native:consumption:Budget": (
        ImmutableProperty(
            path="timePeriod.startDate",
            code="400",
            message="Start date of budgets cannot be updated. Please delete and create a new budget",
        ),
        ImmutableProperty(path="timeGrain", code="400"),
        ImmutableProperty(path="category", code="400"),
    ),
    "azure-native:storage:StorageAccount": (
        ImmutableProperty(
            path="sku.name",
            code="InvalidAccountType",
            message="Storage account type conversion is not supported.",
            allowed=zones_kept,
        ),
        ImmutableProperty(path="kind", code="AccountPropertyCannotBeUpdated"),
        ImmutableProperty(path="isHnsEnabled", code="AccountPropertyCannotBeUpdated"),
        ImmutableProperty(
            path="isNfsV3Enabled", code="AccountPropertyCannotBeUpdated", allowed=as_before
        ),
        ImmutableProperty(
            path="dnsEndpointType", code="AccountPropertyCannotBeUpdated", allowed=as_before
        ),
        ImmutableProperty(path="extendedLocation", code="AccountPropertyCannotBeUpdated"),
        ImmutableProperty(
            path="encryption.requireInfrastructureEncryption",
            code="AccountPropertyCannotBeUpdated",
        ),
        ImmutableProperty(
            path="immutableStorageWithVersioning.enabled", code="AccountPropertyCannotBeUpdated"
        ),
        ImmutableProperty(
            path="largeFileSharesState",
            code="AccountPropertyCannotBeUpdated",
            allowed=lambda old, new: old != "Enabled" or new in {None, "Enabled"},
        ),
    ),
    "azure-native:storage:BlobContainer": (
        ImmutableProperty(path="defaultEncryptionScope", code="InvalidRequestPropertyValue"),
        ImmutableProperty(path="denyEncryptionScopeOverride", code="InvalidRequestPropertyValue"),
        ImmutableProperty(
            path="immutableStorageWithVersioning.enabled", code="InvalidRequestPropertyValue"
        ),
    ),
    "azure-native:network:Subnet": (
        ImmutableProperty(
            path="defaultOutboundAccess", code="SubnetDefaultOutboundAccessCannotBeUpdated"
        ),
    ),
    "azure-native:network:NatGateway": (
        ImmutableProperty(path="sku.name", code="NatGatewaySkuCannotBeChanged"),
        ImmutableProperty(path="zones", code="ResourceAvailabilityZonesCannotBeModified"),
    ),
    "azure-native:network:PublicIPAddress": (
        ImmutableProperty(path="zones", code="ResourceAvailabilityZonesCannotBeModified"),
        ImmutableProperty(
            path="publicIPAllocationMethod", code="PublicIPAddressAllocationCannotBeChanged"
        ),
    ),
    "azure-native:operationalinsights:Workspace": (
        ImmutableProperty(path="features.clusterResourceId", code="BadRequest"),
    ),
}
"""What is refused one by one; the locations of all kinds besides."""


def check_changes(token: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse a change to what cannot change."""
    for each in (LOCATION, *IMMUTABLE_PROPERTIES.get(token, ())):
        each.check(old, new)
    allowed = CHANGEABLE.get(token)
    if allowed is None:
        return
    for name in sorted(old.keys() | new.keys()):
        if name not in allowed and old.get(name) != new.get(name):
            words = f"The property {name} cannot be updated."
            raise ArmError(*REFUSALS.get(token, (409, "PropertyCannotBeUpdated", words)))
