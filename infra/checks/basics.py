"""Checks of names, principals, the Batch account, the storage account and monitoring. Pure."""

import re
from collections import Counter

from infra import naming
from infra.findings import Findings
from infra.settings import Settings

BATCH_APP_ID = "ddbf3205-c6bd-46ae-8127-60eb93363864"
"""The id of Azure Batch's application, the same in every tenant; its object id differs."""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PRINCIPAL_KINDS = ("User", "Group", "ServicePrincipal")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_FIRST_OF_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])-01")


def location(settings: Settings) -> Findings:
    """Check that a region is set."""
    if not re.fullmatch(r"[a-z0-9]+", settings.location):
        yield (
            "location",
            "`pulumi config set azure-native:location westeurope` (a region's short name)",
        )


def names(settings: Settings) -> Findings:
    """Check the given names against Azure's rules."""
    if words := naming.validate_name("prefix", settings.name_prefix):
        yield "name_prefix", f"must be {words}"
    for name, kind in {
        "storage_account_name": "storage account",
        "batch_account_name": "Batch account",
        "key_vault_name": "key vault",
        "resource_group": "resource group",
    }.items():
        given = getattr(settings, name)
        if given and (words := naming.validate_name(kind, given)):
            yield name, f"a {kind}'s name is {words}; or leave it empty"


def tags(settings: Settings) -> Findings:
    """Check the tags, and that they do not replace the program's own."""
    if len(settings.all_tags) > 50:
        yield "tags", "Azure allows 50 tags, of which this program sets 2"
    for tag, value in settings.tags.items():
        if re.search(r"[<>%&\\?/]", tag) or not 0 < len(tag) <= 512 or len(value) > 256:
            yield (
                "tags",
                f"{tag!r}: a tag's name has 1-512 characters, none of <>%&\\?/, its value 256",
            )
        if tag.lower() in {"stack", "managed-by"}:
            yield "tags", f"{tag!r} is set by this program; choose another name"
        if tag.lower().startswith(("microsoft", "azure", "windows")):
            yield (
                "tags",
                f"{tag!r}: names that start with microsoft, azure or windows are reserved by Azure",
            )
    twice = [tag for tag, count in Counter(map(str.lower, settings.tags)).items() if count > 1]
    if twice:
        yield "tags", f"{', '.join(twice)}: Azure ignores the case of tags"


def operator(settings: Settings) -> Findings:
    """Check that there is an operator."""
    if not _UUID.fullmatch(settings.operator_principal_id):
        yield (
            "operator_principal_id",
            (
                "must be the object id of the account that uses `runner`: "
                "`pulumi config set operatorPrincipalId $(az ad signed-in-user show --query id -o tsv)`, "
                "or a group's (`az ad group show --group NAME --query id -o tsv`) "
                "with operatorPrincipalType Group"
            ),
        )


_PRINCIPAL = re.compile(rf"(User|Group|ServicePrincipal):{_UUID.pattern}", re.IGNORECASE)


def more_operators(settings: Settings) -> Findings:
    """Check the other operators."""
    for each in settings.more_operators:
        if not _PRINCIPAL.fullmatch(each) or each.partition(":")[0] not in PRINCIPAL_KINDS:
            yield (
                "more_operators",
                f"{each!r}: must be User, Group or ServicePrincipal, a colon and the object id",
            )
    ids = [each.partition(":")[2].lower() for each in settings.more_operators]
    if len({*ids, settings.operator_principal_id.lower()}) <= len(ids):
        yield "more_operators", "has the same account twice (operatorPrincipalId counts too)"


def batch_principal(settings: Settings) -> Findings:
    """Check that Batch's object id is set, if it creates nodes in this subscription."""
    given = settings.batch_service_principal_object_id.lower()
    is_needed = settings.has_vault or settings.manage_subscription_role
    if not is_needed or (_UUID.fullmatch(given) and given != BATCH_APP_ID):
        return
    which = (
        "is Batch's application id, the same everywhere; set"
        if given == BATCH_APP_ID
        else "must be"
    )
    yield (
        "batch_service_principal_object_id",
        (
            f"{which} the object id of Microsoft Azure Batch in your tenant: "
            "`az provider register -n Microsoft.Batch --wait`, then "
            "`pulumi config set batchServicePrincipalObjectId "
            f"$(az ad sp show --id {BATCH_APP_ID} --query id -o tsv)`"
        ),
    )


def account(settings: Settings) -> Findings:
    """Check what the two allocation modes allow."""
    if settings.is_user_subscription:
        if settings.allow_shared_key:
            yield (
                "allow_shared_key",
                (
                    "an account in UserSubscription mode only allows Entra ID; "
                    "set it to false, or set poolAllocationMode BatchService"
                ),
            )
    elif settings.manage_subscription_role:
        yield "manage_subscription_role", "only poolAllocationMode UserSubscription needs that role"
    if not 7 <= settings.key_vault_soft_delete_days <= 90:
        yield "key_vault_soft_delete_days", "must be 7 to 90"


def storage(settings: Settings) -> Findings:
    """Check how long data is kept."""
    if not 1 <= settings.soft_delete_days <= 365:
        yield "soft_delete_days", "must be 1 to 365"
    for name in ("expire_input_days", "expire_output_days"):
        if not 0 <= getattr(settings, name) <= 3650:
            yield name, "must be 1 to 3650, or 0 for never"


def monitoring(settings: Settings) -> Findings:
    """Check the settings of alerts and budget."""
    if not 30 <= settings.log_retention_days <= 730:
        yield "log_retention_days", "must be 30 to 730"
    if settings.alert_email and not _EMAIL.fullmatch(settings.alert_email):
        yield "alert_email", "must be an address such as ops@example.com"
    if settings.monitor_agent and not settings.pool_identity:
        yield "monitor_agent", "signs in with the pool's identity; set poolIdentity true"
    if settings.monthly_budget < 0:
        yield "monthly_budget", "must be an amount in the subscription's currency, or 0 for none"
    if settings.monthly_budget > 0:
        if not settings.alert_email:
            yield "alert_email", "a budget needs an email address for its alerts"
        if not _FIRST_OF_MONTH.fullmatch(settings.budget_start):
            yield (
                "budget_start",
                "must be the first day of this or a later month, such as 2026-12-01",
            )


CHECKS = (
    location,
    names,
    tags,
    operator,
    more_operators,
    batch_principal,
    account,
    storage,
    monitoring,
)
