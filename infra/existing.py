"""Existing resources, given by id: they are looked up and checked, and never changed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pulumi
from pulumi_azure_native import Provider, batch, keyvault, managedidentity, storage

from infra import naming
from infra.checks import Problem, key_of
from infra.checks.existing import (
    account_findings,
    identity_findings,
    storage_findings,
    vault_findings,
)
from infra.configuration import SettingsError, lines_of
from infra.ids import ResourceId, parse_id
from infra.scope import Scope
from infra.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class ExistingStorage:
    """A storage account."""

    id: ResourceId
    blob_endpoint: str
    """Without a trailing slash."""
    sku_name: str
    """Tier and redundancy, as Azure's price list names them; empty if unknown."""
    provider: Provider | None
    """The provider for its subscription; None if that is the stack's own."""


@dataclass(frozen=True, kw_only=True)
class ExistingVault:
    """A key vault."""

    id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class ExistingAccount:
    """A Batch account."""

    id: ResourceId
    endpoint: str
    """Without a scheme."""
    provider: Provider | None


@dataclass(frozen=True, kw_only=True)
class ExistingIdentity:
    """A user-assigned identity."""

    id: str
    principal_id: str
    client_id: str


@dataclass(frozen=True, kw_only=True)
class Existing:
    """All resources given by id; None for those that the stack creates."""

    storage: ExistingStorage | None = None
    vault: ExistingVault | None = None
    account: ExistingAccount | None = None
    identity: ExistingIdentity | None = None


class _Finder:
    """Looks up resources in their own subscriptions, and collects what is wrong with them."""

    def __init__(self, settings: Settings, scope: Scope) -> None:
        self.settings, self.scope = settings, scope
        self.problems: list[Problem] = []

    def find(
        self, setting: str, get: Callable[..., Result], name_argument: str
    ) -> tuple[ResourceId, Result]:
        """Look up the resource whose id is in *setting*.

        Raises:
            SettingsError: It does not exist, or whoever runs Pulumi may not see it.
        """
        resource_id = parse_id(getattr(self.settings, setting))
        names = {"resource_group_name": resource_id.group, name_argument: resource_id.name}
        provider = self.scope.provider_of(resource_id.subscription)
        try:
            return resource_id, get(**names, opts=pulumi.InvokeOptions(provider=provider))
        except Exception as error:
            if (
                type(error) is not Exception
            ):  # Pulumi raises nothing more specific for a failed call
                raise
            raise SettingsError(
                lines_of([Problem(key_of(setting), resource_id.text, str(error))])
            ) from error

    def check(self, setting: str, findings: Iterator[str]) -> None:
        """Collect what is wrong with the resource in *setting*."""
        value = getattr(self.settings, setting)
        self.problems += [Problem(key_of(setting), value, remedy) for remedy in findings]


def look_up(settings: Settings, scope: Scope) -> Existing:
    """Look up all resources given by id.

    Raises:
        SettingsError: Something does not exist or is unsuitable, with a line for each.
    """
    finder = _Finder(settings, scope)
    found = Existing(
        storage=_storage(finder) if settings.storage_account_id else None,
        vault=_vault(finder) if settings.key_vault_id else None,
        account=_account(finder) if settings.batch_account_id else None,
        identity=_identity(finder) if settings.pool_identity_id else None,
    )
    if finder.problems:
        raise SettingsError(lines_of(finder.problems))
    return found


def _storage(finder: _Finder) -> ExistingStorage:
    resource_id, found = finder.find(
        "storage_account_id", storage.get_storage_account, "account_name"
    )
    finder.check("storage_account_id", storage_findings(found, finder.settings))
    return ExistingStorage(
        id=resource_id,
        sku_name=_sku_name(found, finder.settings.location),
        blob_endpoint=(found.primary_endpoints.blob or "").rstrip("/"),
        provider=finder.scope.provider_of(resource_id.subscription),
    )


def _sku_name(found: storage.GetStorageAccountResult, region: str) -> str:
    """Return how the price list names the account; empty if it is elsewhere, or of another kind."""
    if found.kind != storage.Kind.STORAGE_V2 or found.location.lower().replace(" ", "") != region:
        return ""
    return naming.price_list_sku(found.sku.name, found.access_tier)


def _vault(finder: _Finder) -> ExistingVault:
    resource_id, found = finder.find("key_vault_id", keyvault.get_vault, "vault_name")
    findings = vault_findings(found, resource_id, finder.settings, finder.scope.subscription)
    finder.check("key_vault_id", findings)
    return ExistingVault(id=resource_id.text, url=found.properties.vault_uri or "")


def _account(finder: _Finder) -> ExistingAccount:
    resource_id, found = finder.find("batch_account_id", batch.get_batch_account, "account_name")
    findings = account_findings(found, resource_id, finder.settings, finder.scope.subscription)
    finder.check("batch_account_id", findings)
    return ExistingAccount(
        id=resource_id,
        endpoint=found.account_endpoint,
        provider=finder.scope.provider_of(resource_id.subscription),
    )


def _identity(finder: _Finder) -> ExistingIdentity:
    resource_id, found = finder.find(
        "pool_identity_id", managedidentity.get_user_assigned_identity, "resource_name"
    )
    finder.check("pool_identity_id", identity_findings(found, finder.scope.tenant))
    return ExistingIdentity(
        id=resource_id.text, principal_id=found.principal_id, client_id=found.client_id
    )
