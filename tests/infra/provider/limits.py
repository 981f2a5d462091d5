"""How resources may be named, and how long, large and many their properties may be: data.

azure-native's Python package carries names, types, enums and what is required (`schema`), and says
lengths and ranges in its descriptions only. The patterns and numbers here are from those
descriptions, from Microsoft's definitions as its azure-mgmt packages have them, and from "Naming
rules and restrictions for Azure resources". Codes are those of public error reports, as far as
there are any; InvalidResourceName, InvalidRequestContent and InvalidPropertyValue stand for the rest.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tests.emulator.times import parse_duration
from tests.infra.provider.refusals import ArmError, find

GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True, kw_only=True)
class Name:
    """How a kind of resource is named."""

    pattern: str
    low: int = 1
    high: int = 80
    code: str = "InvalidResourceName"

    def check(self, name: str) -> None:
        """Refuse a name that Azure refuses."""
        if not self.low <= len(name) <= self.high or not re.fullmatch(self.pattern, name):
            words = f"{self.low}-{self.high} characters, matching {self.pattern}"
            raise ArmError(400, self.code, f"The name '{name}' is not valid: {words}.")


NETWORK = r"\w([\w.-]*\w)?"
ALERT = r"[^:<>+/&%\\?|]*[^:<>+/&%\\?|. ]"

NAMES: Mapping[str, Name] = {
    f"azure-native:{kind}": name
    for kind, name in {
        "resources:ResourceGroup": Name(
            pattern=r"[-\w.()]*[-\w()]", high=90, code="InvalidResourceGroup"
        ),
        "storage:StorageAccount": Name(
            pattern=r"[a-z0-9]+", low=3, high=24, code="AccountNameInvalid"
        ),
        "storage:BlobServiceProperties": Name(pattern="default"),
        "storage:BlobContainer": Name(pattern=r"[a-z0-9](-?[a-z0-9])*", low=3, high=63),
        "storage:ManagementPolicy": Name(pattern="default"),
        "keyvault:Vault": Name(
            pattern=r"[A-Za-z](-?[A-Za-z0-9])*", low=3, high=24, code="VaultNameNotValid"
        ),
        "managedidentity:UserAssignedIdentity": Name(
            pattern=r"[A-Za-z0-9][A-Za-z0-9_-]*", low=3, high=128
        ),
        "network:VirtualNetwork": Name(pattern=NETWORK, low=2, high=64),
        "network:Subnet": Name(pattern=NETWORK),
        "network:NetworkSecurityGroup": Name(pattern=NETWORK),
        "network:NatGateway": Name(pattern=NETWORK),
        "network:PublicIPAddress": Name(pattern=NETWORK),
        "network:PrivateEndpoint": Name(pattern=NETWORK, low=2, high=64),
        "network:PrivateDnsZoneGroup": Name(pattern=NETWORK),
        "privatedns:PrivateZone": Name(
            pattern=r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", high=253, code="BadRequest"
        ),
        "privatedns:VirtualNetworkLink": Name(pattern=NETWORK),
        "authorization:RoleAssignment": Name(
            pattern=GUID, low=36, high=36, code="InvalidRoleAssignmentId"
        ),
        "batch:BatchAccount": Name(pattern=r"[a-z0-9]+", low=3, high=24, code="InvalidAccountName"),
        "batch:Pool": Name(pattern=r"[A-Za-z0-9_-]+", high=64, code="InvalidPropertyValue"),
        "operationalinsights:Workspace": Name(
            pattern=r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])", low=4, high=63
        ),
        "monitor:DiagnosticSetting": Name(pattern=ALERT, high=260),
        "monitor:ActionGroup": Name(pattern=ALERT, high=260),
        "monitor:MetricAlert": Name(pattern=ALERT, high=260),
        "consumption:Budget": Name(pattern=r"[A-Za-z0-9_-]+", high=63),
    }.items()
}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What the values at one path have to keep to."""

    path: str
    allows: Callable[[Any], bool]
    words: str
    code: str = "InvalidRequestContent"

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Refuse a value that Azure refuses."""
        for where, value in find(inputs, self.path):
            if not self.allows(value):
                raise ArmError(400, self.code, f"{where}: {value!r} is not {self.words}.")


def between(path: str, low: float, high: float, code: str = "InvalidRequestContent") -> Limit:
    """Bound a number."""
    return Limit(
        path=path, allows=lambda value: low <= value <= high, words=f"{low} to {high}", code=code
    )


def at_most(path: str, count: int, code: str = "InvalidRequestContent") -> Limit:
    """Bound a list's or a map's length, or that of a text."""
    return Limit(
        path=path,
        allows=lambda value: len(value) <= count,
        words=f"at most {count} long",
        code=code,
    )


def matching(path: str, pattern: str, code: str = "InvalidRequestContent") -> Limit:
    """Hold a text to a pattern."""
    return Limit(
        path=path,
        allows=lambda value: re.fullmatch(pattern, value) is not None,
        words=f"a match of {pattern}",
        code=code,
    )


def duration(path: str, low: timedelta, high: timedelta, code: str) -> Limit:
    """Bound a duration, which ISO 8601 writes."""

    def allows(value: str) -> bool:
        try:
            return low.total_seconds() <= parse_duration(value) <= high.total_seconds()
        except ValueError:
            return False

    return Limit(path=path, allows=allows, words=f"a duration of {low} to {high}", code=code)


def one_of(path: str, *values: str, code: str = "InvalidRequestContent") -> Limit:
    """Hold a text to some."""
    return Limit(
        path=path, allows=lambda value: value in values, words=f"one of {values}", code=code
    )


MINUTES_5, HOURS_168 = timedelta(minutes=5), timedelta(hours=168)
BATCH = "InvalidPropertyValue"
RULES = "securityRules[]"
PORT = r"\*|\d{1,5}(-\d{1,5})?"

LIMITS: Mapping[str, tuple[Limit, ...]] = {
    f"azure-native:{kind}": limits
    for kind, limits in {
        "keyvault:Vault": (
            between("properties.softDeleteRetentionInDays", 7, 90, "BadRequest"),
            at_most("properties.accessPolicies", 1024, "BadRequest"),
            matching("properties.tenantId", GUID, "BadRequest"),
            matching("properties.accessPolicies[].objectId", GUID, "BadRequest"),
        ),
        "storage:BlobServiceProperties": (
            between("deleteRetentionPolicy.days", 1, 365),
            between("containerDeleteRetentionPolicy.days", 1, 365),
        ),
        "storage:ManagementPolicy": (
            at_most("policy.rules", 100),
            matching("policy.rules[].name", r"[A-Za-z0-9-]{1,256}"),
            between("policy.rules[].definition.actions.baseBlob{}.daysAfterModificationGreaterThan", 0, 2**31 - 1),
        ),
        "storage:StorageAccount": (
            at_most("networkRuleSet.ipRules", 400),
            at_most("networkRuleSet.virtualNetworkRules", 400),
            one_of("minimumTlsVersion", "TLS1_2", code="InvalidValuesForRequestParameters"),
        ),
        "network:NetworkSecurityGroup": (
            at_most("securityRules", 1000),
            between(f"{RULES}.priority", 100, 4096, "SecurityRuleInvalidPriority"),
            matching(f"{RULES}.name", NETWORK, "InvalidResourceName"),
            at_most(f"{RULES}.name", 80, "InvalidResourceName"),
            at_most(f"{RULES}.description", 140),
            matching(f"{RULES}.destinationPortRange", PORT, "SecurityRuleInvalidPortRange"),
            matching(f"{RULES}.sourcePortRange", PORT, "SecurityRuleInvalidPortRange"),
        ),
        "network:NatGateway": (
            between("idleTimeoutInMinutes", 4, 120),
            at_most("publicIpAddresses", 16),
        ),
        "network:PublicIPAddress": (between("idleTimeoutInMinutes", 4, 66),),
        "authorization:RoleAssignment": (
            matching("principalId", GUID, "InvalidPrincipalId"),
            at_most("description", 1024),
        ),
        "batch:BatchAccount": (at_most("networkProfile.accountAccess.ipRules", 200),),
        "batch:Pool": (
            at_most("displayName", 1024, BATCH),
            between("taskSlotsPerNode", 1, 256, BATCH),
            duration("scaleSettings.autoScale.evaluationInterval", MINUTES_5, HOURS_168, BATCH),
            duration("scaleSettings.fixedScale.resizeTimeout", MINUTES_5, HOURS_168, BATCH),
            between("scaleSettings.fixedScale.targetDedicatedNodes", 0, 2**31 - 1, BATCH),
            between("scaleSettings.fixedScale.targetLowPriorityNodes", 0, 2**31 - 1, BATCH),
            between("startTask.maxTaskRetryCount", -1, 2**31 - 1, BATCH),
            matching("startTask.commandLine", r"(?s).+", BATCH),
            matching("startTask.environmentSettings[].name", r".+", BATCH),
            at_most("applicationPackages", 10, BATCH),
            between("deploymentConfiguration.virtualMachineConfiguration.osDisk.diskSizeGB", 1, 4095, BATCH),
            between("deploymentConfiguration.virtualMachineConfiguration.dataDisks[].lun", 0, 63, BATCH),
        ),
        "operationalinsights:Workspace": (between("retentionInDays", 30, 730),),
        "monitor:ActionGroup": (
            matching("groupShortName", r".{1,12}", "GroupShortNameTooLong"),
            at_most("emailReceivers", 1000),
            matching("emailReceivers[].emailAddress", r"[^@\s]+@[^@\s]+\.[^@\s]+", "InvalidEmailAddress"),
        ),
        "monitor:MetricAlert": (
            between("severity", 0, 4, "BadRequest"),
            one_of("evaluationFrequency", "PT1M", "PT5M", "PT15M", "PT30M", "PT1H", code="BadRequest"),
            one_of("windowSize", "PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D", code="BadRequest"),
        ),
        "consumption:Budget": (
            between("amount", 0.01, 10**12, "400"),
            matching("timePeriod.startDate", r"\d{4}-\d\d-01(T00:00:00Z)?", "400"),
            at_most("notifications", 5, "400"),
            between("notifications{}.threshold", 0.01, 1000, "400"),
            at_most("notifications{}.contactEmails", 50, "400"),
        ),
    }.items()
}  # fmt: skip

RESERVED_TAGS = ("microsoft", "azure", "windows")


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What tags may be: "Use tags to organize your Azure resources", limitations."""

    most: int = 50
    longest_name: int = 512
    longest_value: int = 256
    forbidden: str = field(default=r"[<>%&\\?/]")

    def check(self, tags: Mapping[str, str]) -> None:
        """Refuse tags that Azure refuses."""
        if len(tags) > self.most:
            raise ArmError(400, "TooManyTags", f"{len(tags)} tags; at most {self.most}.")
        for name, value in tags.items():
            if re.search(self.forbidden, name):
                raise ArmError(400, "InvalidTagNameCharacters", f"The tag name '{name}' is wrong.")
            if not 0 < len(name) <= self.longest_name:
                raise ArmError(400, "TagNameTooLong", f"The tag name '{name}' is wrong.")
            if len(value) > self.longest_value:
                raise ArmError(400, "TagValueTooLong", f"The value of tag '{name}' is too long.")
            if name.lower().startswith(RESERVED_TAGS):
                raise ArmError(400, "ReservedTagNamePrefix", f"The tag name '{name}' is reserved.")
        if len({name.lower() for name in tags}) < len(tags):
            words = "Tag names are not told apart by their case."
            raise ArmError(400, "DuplicateTagName", words)


TAGS: Mapping[str, Tags] = {
    # The storage account's own, older limit.
    "azure-native:storage:StorageAccount": Tags(longest_name=128)
}


def check_limits(token: str, name: str, inputs: Mapping[str, Any]) -> None:
    """Refuse a name, a value or a tag that is out of bounds.

    Raises:
        KeyError: NAMES does not say how that kind of resource is named.
    """
    NAMES[token].check(name)
    for limit in LIMITS.get(token, ()):
        limit.check(inputs)
    for given in (inputs.get("tags"), inputs.get("resourceTags")):
        TAGS.get(token, Tags()).check(given or {})
