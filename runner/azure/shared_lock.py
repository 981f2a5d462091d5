"""The lock of a destination in a container: a lease, kept alive while a run works there."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobClient, BlobLeaseClient

from runner.azure.errors import code_of
from runner.azure.shared_ledger import SharedLedger
from runner.destination_lock import Holder
from runner.errors import TransientError

_LEASE = 60
"""Seconds: so long others wait for a runner that was killed; the longest that ends by itself."""
_RENEWED_EVERY = 15.0
_PUT_EVERY = 60.0
_FIRST_PUT = 2.0
_LOOK_EVERY = 2.0
_LOG = logging.getLogger(__name__)


class SharedLock:
    """One runner at a time in a destination in a container; in the place of a `DestinationLock`."""

    def __init__(self, ledger: SharedLedger, patience: float = _LEASE + _LOOK_EVERY) -> None:
        self._ledger = ledger
        self._local = ledger.local
        self._patience = patience
        """Seconds."""
        self.lock = self._local.lock
        self._blob = ledger.blob("lock")

    def wait_until_free(self) -> None:
        """Wait for as long as a runner that was killed elsewhere still holds the destination.

        Raises:
            TransientError: Another runner holds it, and goes on doing so.
        """
        deadline = time.monotonic() + self._patience
        is_said = False
        while self._is_leased() and not self._is_left_here():
            if time.monotonic() > deadline:
                raise self._in_use()
            if not is_said:
                _LOG.warning(
                    "%s is in use by %s; waiting for a minute, in case it was killed",
                    *(self._ledger.address, self._holder() or "another runner"),
                )
                is_said = True
            time.sleep(_LOOK_EVERY)

    @contextmanager
    def held_for(self, run: str) -> Iterator[None]:
        """Hold the destination for *run*; where the process is killed, for a minute after it.

        Raises:
            TransientError: Another runner holds it; the message says who.
            RunnerError: This sign-in may not write there.
        """
        with self._local.held_for(run):
            lease = self._acquire(run)
            keeper = _LeaseRenewer(self._ledger, self._blob, lease)
            try:
                yield
            finally:
                keeper.end()

    def is_held(self) -> bool:
        """Return whether a runner is working there, from this machine or another one."""
        return self._local.is_held() or self._is_leased()

    def _acquire(self, run: str) -> BlobLeaseClient:
        doing = f"writing to {self._ledger.address}"
        try:
            with suppress(ResourceExistsError):
                self._blob.upload_blob(b"", overwrite=False)
            if self._is_left_here(holds_local=True):
                with suppress(HttpResponseError):
                    BlobLeaseClient(self._blob).break_lease(0)
            lease = self._blob.acquire_lease(_LEASE)
            holder = Holder.here(run, self._ledger.known().machine).as_json()
            self._blob.upload_blob(holder, overwrite=True, lease=lease)
        except AzureError as error:
            if code_of(error) == "LeaseAlreadyPresent":
                raise self._in_use() from None
            raise self._ledger.failure(error, doing) from None
        self._refuse_changed(lease)
        return lease

    def _refuse_changed(self, lease: BlobLeaseClient) -> None:
        """Raise an error if somebody else has changed the ledger since, so that everything is decided again."""
        try:
            now = str(self._ledger.blob("ledger.sqlite").get_blob_properties().etag)
        except ResourceNotFoundError:
            self._ledger.forget()  # it begins anew, with what is known here
            return
        if now.strip('"') != self._ledger.known().etag.strip('"'):
            lease.release()
            raise TransientError(
                f"another runner has just worked in {self._ledger.address}; run the same command again"
            )

    def _in_use(self) -> TransientError:
        who = self._holder() or "another runner"
        return TransientError(
            f"{self._ledger.address} is in use by {who}, which is still running: wait for it or end it there, and "
            "run the same command again"
        )

    def _is_leased(self) -> bool:
        try:
            return str(self._blob.get_blob_properties().lease.state) == "leased"
        except ResourceNotFoundError:
            return False
        except AzureError as error:
            raise self._ledger.failure(error, f"reading {self._ledger.address}") from None

    def _is_left_here(self, *, holds_local: bool = False) -> bool:
        """Return whether the lease belongs to a process of this machine that has ended: only one works here at a time."""
        holder = self._holder()
        is_ours = holder is not None and holder.machine == self._ledger.known().machine
        return is_ours and (holds_local or not self._local.is_held())

    def _holder(self) -> Holder | None:
        try:
            return Holder.from_json(self._blob.download_blob().readall())
        except AzureError:
            return None


class _LeaseRenewer:
    """Renews a lease in the background, and puts the ledger back from time to time."""

    def __init__(self, ledger: SharedLedger, blob: BlobClient, lease: BlobLeaseClient) -> None:
        self._ledger = ledger
        self._blob = blob
        self._lease = lease
        self._put_of = 0.0
        """When what was last put had been written."""
        self._put_at = -_PUT_EVERY
        self._is_lost = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Put the ledger back, and let the destination go."""
        self._over.set()
        self._thread.join(_RENEWED_EVERY)
        self._put_of = 0.0  # times of files are too coarse to show what was written last
        self._put()
        with suppress(AzureError):
            self._lease.release()

    def _keep(self) -> None:
        wait = _FIRST_PUT  # soon, so that a run whose machine is lost is known elsewhere
        while not self._over.wait(wait):
            wait = _RENEWED_EVERY
            self._renew()
            if time.monotonic() - self._put_at >= _PUT_EVERY:
                self._put()

    def _renew(self) -> None:
        try:
            self._lease.renew()
        except HttpResponseError as error:
            if error.status_code in (404, 409, 412) and not self._is_lost:
                self._is_lost = True
                _LOG.warning(
                    "another runner has taken over %s; what this one does is no longer recorded there",
                    self._ledger.address,
                )
        except AzureError:
            return  # until it ends there are three more tries

    def _put(self) -> None:
        written = self._ledger.changed()
        if self._is_lost or written == self._put_of:
            return
        try:
            self._ledger.put()
        except (ResourceModifiedError, ResourceExistsError):
            self._is_lost = True
            _LOG.warning("the ledger in %s was replaced by somebody else", self._ledger.address)
        except AzureError as error:
            reason = self._ledger.failure(error, "putting the ledger back")
            _LOG.warning("%s; the results there are complete without it", reason)
        else:
            self._put_of, self._put_at = written, time.monotonic()
