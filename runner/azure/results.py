"""The container in which results stay: what is there, and how new ones are written."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from mimetypes import guess_type
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from runner import __version__
from runner.addresses import BlobAddress
from runner.azure.accounts import Access, Accounts
from runner.azure.errors import NoRoleError, code_of, translated
from runner.azure.listing import PAGE
from runner.azure.read_errors import scope_of
from runner.errors import RunnerError, SetupError
from runner.media.blob_target import BlobTarget
from runner.media.made_from import MadeFrom
from runner.models import Conversion, TargetState
from runner.result_blobs import ResultBlob, ours_in, prefix_of, result_blob

CONTRIBUTOR = "Storage Blob Data Contributor"


@dataclass(frozen=True)
class CloudResults:
    """The results below *address*, whose account is known."""

    address: BlobAddress
    accounts: Accounts

    @cached_property
    def container(self) -> ContainerClient:
        """Microsoft's client of the container, as this sign-in."""
        return self.accounts.container(self.address, Access.SIGN_IN)

    @cached_property
    def service(self) -> BlobServiceClient:
        """Microsoft's client of the account."""
        return self.accounts.service(self.address)

    def listing(self) -> Iterator[tuple[str, ResultBlob]]:
        """Return all blobs below the address except runner's own, each with its name.

        Raises:
            RunnerError: They cannot be listed.
        """
        ours = ours_in(self.address)
        try:
            for blob in self.container.list_blobs(
                name_starts_with=prefix_of(self.address) or None,
                include=["metadata"],
                results_per_page=PAGE,
            ):
                if not blob.name.startswith(ours):
                    yield blob.name, _result_blob(blob)
        except AzureError as error:
            raise self.failure(error, f"listing {self.address}") from None

    def look(self, target: str) -> ResultBlob | None:
        """Return the blob of the result *target*; None if there is none.

        Raises:
            RunnerError: It cannot be looked at.
        """
        name = result_blob(self.address, target).name
        try:
            return _result_blob(self.container.get_blob_client(name).get_blob_properties())
        except ResourceNotFoundError as error:
            if code_of(error) == "ContainerNotFound":
                raise self.failure(error, f"looking at {self.address}") from None
            return None
        except AzureError as error:
            raise self.failure(error, f"looking at {self.address}") from None

    def check(self) -> None:
        """See that results can be listed and written there; nothing is left behind.

        Raises:
            RunnerError: They cannot.
        """
        name = f"{ours_in(self.address)}doctor"
        try:
            next(self.container.list_blobs(name_starts_with=name).by_page(), None)
            self.container.upload_blob(name, b"", overwrite=True)
            self.container.delete_blob(name)
        except AzureError as error:
            raise self.failure(error, f"writing to {self.address}") from None

    def target_of(
        self, conversion: Conversion, run: str, replaces: TargetState | None, *, anything: bool
    ) -> BlobTarget:
        """Return where the result of *conversion* is stored, and on which condition.

        Raises:
            ConversionError: It can have no such name.
        """
        blob = result_blob(self.address, conversion.target)
        source = conversion.source
        return BlobTarget(
            address=blob.url,
            shown=str(self.address.named("")),
            content_type=guess_type(f"x{conversion.recipe.suffix}")[0]
            or "application/octet-stream",
            replaces=replaces if isinstance(replaces, str) else "",
            anything=anything,
            made_from=MadeFrom(
                conversion=conversion.id,
                run=run,
                source=source.path,
                source_etag=source.etag,
                source_size=source.size,
                source_mtime_ns=source.mtime_ns,
                recipe=conversion.recipe.fingerprint,
                version=__version__,
            ),
        )

    def failure(self, error: AzureError, doing: str) -> RunnerError:
        """Our error for *error*, which came while *doing* something there."""
        if code_of(error) == "ContainerNotFound":
            what = f"there is no container {self.address.container} in the storage account"
            make = f"az storage container create --auth-mode login --account-name {self.address.account} "
            return SetupError(
                f"{doing}: {what} {self.address.account}: create it with `{make}--name {self.address.container}`"
            )
        ours = translated(error, doing, "storage")
        if not isinstance(ours, NoRoleError):
            return ours
        return NoRoleError(
            f'{doing}: you are signed in without permission; it needs the role "{CONTRIBUTOR}" on the '
            f"container, which `pulumi up` assigns once `writeContainers` names it; or assign it yourself: "
            f"`{self.assignment}`"
        )

    @property
    def assignment(self) -> str:
        """The command that gives the role to whoever is named in it."""
        scope = scope_of(self.address)
        return (
            f'az role assignment create --role "{CONTRIBUTOR}" --assignee OBJECT_ID --scope {scope}'
        )


def _result_blob(blob: Any) -> ResultBlob:
    """Return the facts about *blob*; the client's class does not declare what may be None."""
    md5 = blob.content_settings.content_md5
    return ResultBlob(
        etag=f'"{str(blob.etag).strip(chr(34))}"',
        size=blob.size,
        mtime_ns=round(blob.last_modified.timestamp()) * 10**9,
        md5=b64encode(md5).decode() if md5 else "",
        made_from=MadeFrom.from_metadata(blob.metadata or {}),
    )
