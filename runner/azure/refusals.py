"""Why Azure refuses a call, and what to do about it, by the service's error code. Data.

The codes: learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes and
learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes. That AuthorizationFailure is the
firewall's, and a missing role's is AuthorizationPermissionMismatch: AzureStorageExplorer#9150, #8504, #8344.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from runner.azure.clients import BATCH_KEY

_SIGN_IN = "run `az login` (`--tenant` if you have several), or set AZURE_CLIENT_ID and the rest"
_DISABLED = "the subscription may be disabled or unpaid: check it in the portal"
_ROLES = {
    "batch": 'the role "Azure Batch Job Submitter" on the Batch account',
    "storage": 'the role "Storage Blob Data Contributor" on the container',
    "signing": 'the role "Storage Blob Delegator" on the storage account',
}
_NO_ROLE = (
    "it needs {role}, which `pulumi up` assigns to `operatorPrincipalId`: is that the account you are signed in with? "
    "Owner is not enough, and a new role can take ten minutes to take effect"
)
# Azure tolerates a quarter of an hour, so less is not the cause:
# https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#specifying-the-date-header
_CLOCK_IS_WRONG = timedelta(minutes=10)


@dataclass(frozen=True)
class Refusal:
    """Why a call was refused, and what to do."""

    cause: str
    remedy: str
    is_role: bool = False
    """Whether a role is missing."""


_STORAGE = {
    "authorizationfailure": Refusal(
        "the storage account's firewall blocks this machine",
        "add its public address to `storageAllowedIps` and run `pulumi up`, or use a network that is "
        "allowed: with `publicNetworkAccess: false` only one that reaches the private endpoints is",
    ),
    "authorizationsourceipmismatch": Refusal(
        "the signature is for another IP address than this machine's",
        "use the network where it was made",
    ),
    "keybasedauthenticationnotpermitted": Refusal(
        "the storage account does not accept keys", f"sign in instead: {_SIGN_IN}"
    ),
    "authenticationfailed": Refusal("the sign-in was not accepted", _SIGN_IN),
    "noauthenticationinformation": Refusal("the sign-in was not sent", _SIGN_IN),
    "publicaccessnotpermitted": Refusal("the sign-in was not sent", _SIGN_IN),
    "insufficientaccountpermissions": Refusal(
        "the storage account is read-only",
        "check it in the portal: it may be failing over to another region, or be locked",
    ),
}
_BATCH = {
    "requestforbiddenbynetworkacl": Refusal(
        "the Batch account blocks this network",
        "use a network that it allows, or have this one added to the account's network access; "
        "with `publicNetworkAccess: false` only one that reaches the private endpoints is allowed",
    ),
    "insufficientaccountpermissions": Refusal(
        "the Batch account does not allow that", "check the account in the portal"
    ),
}
_BY_KEY = {
    "authenticationfailed": Refusal(
        f"the key in {BATCH_KEY} was not accepted",
        "is it the current key of this account? (`az batch account keys list`)",
    ),
}
_EITHER = {
    "accountisdisabled": Refusal("the account is disabled", _DISABLED),
    "invalidauthenticationinfo": Refusal("the sign-in was not accepted", _SIGN_IN),
}
_OF_SERVICE = {"batch": _BATCH, "storage": _STORAGE, "signing": _STORAGE}
_NOT_SIGNED_IN = Refusal("not signed in", _SIGN_IN)


def refusal_of(service: str, status: int | None, code: str, date: str = "") -> Refusal | None:
    """Return why *service* refused a call with *status* and *code*; None if it did not refuse it.

    *service* is "batch", "storage", or "signing" for the key that signs addresses; *date* is the
    response's date.
    """
    name = code.lower()
    if name in ("authenticationfailed", "invalidauthenticationinfo") and (off := _clock_off(date)):
        return Refusal(
            f"this machine's clock is {off}, so Azure rejects the sign-in",
            "set the clock, then run the same command again",
        )
    if status == 401 and name not in _EITHER:
        return _NOT_SIGNED_IN
    if service == "batch" and os.environ.get(BATCH_KEY) and name in _BY_KEY:
        return _BY_KEY[name]
    known = _OF_SERVICE[service].get(name) or _EITHER.get(name)
    if known is not None or status != 403:
        return known
    remedy = _NO_ROLE.format(role=_ROLES[service])
    return Refusal("you are signed in without permission", remedy, is_role=True)


def _clock_off(date: str) -> str:
    """Return by how much this machine's clock differs from *date*; empty if it is too little to matter."""
    try:
        off = datetime.now(UTC) - parsedate_to_datetime(date)
    except (ValueError, TypeError):  # no date, or one without a time zone
        return ""
    if abs(off) < _CLOCK_IS_WRONG:
        return ""
    side = "ahead of" if off > timedelta() else "behind"
    return f"{abs(off).total_seconds() / 60:.0f} min {side} Azure's"
