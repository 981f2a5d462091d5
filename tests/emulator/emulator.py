"""The emulator: an account and its server, in a separate thread, to start and stop.

with Emulator() as azure:
client = BatchClient(azure.endpoint, azure.credential, connection_verify=azure.ca_file)
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import shutil
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aiohttp import web

from tests.emulator import node_faults, pools, routes_control, views
from tests.emulator.account import Account, Settings
from tests.emulator.auth import PRINCIPAL, AsyncEmulatedCredential, EmulatedCredential
from tests.emulator.certificates import Certificates, make_certificates
from tests.emulator.clock import Clock
from tests.emulator.faults import Faults
from tests.emulator.front import hang_up
from tests.emulator.model import key
from tests.emulator.node_agent import ProcessExecutor
from tests.emulator.process import Start, start_process
from tests.emulator.rights import Rights
from tests.emulator.scheduler import settle
from tests.emulator.server import Crashes, Seen, Server
from tests.emulator.storage import ANY, Roles
from tests.emulator.transfers import Transfers
from tests.emulator.virtual import VirtualExecutor, VirtualTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from tests.emulator.model import Json
    from tests.emulator.storage import StorageAccount

T = TypeVar("T")

LARGEST_READ = 1 << 26
"""Bytes of a request that are read before it is refused as too large."""


class Emulator:
    """An emulated Azure Batch account.

    Args:
        https: False serves plain http, where only shared keys work.
        port: 0 is any free one.
        settings: What the account is; see there.
        storage: The blob storage that its nodes reach.
        certificates: Those of *storage*, so that clients need only one; else made for the run.
        node_path: Folders before the system's own on the nodes' PATH.
        virtual_tasks: Have tasks take virtual time instead of running.
        speed: How fast the clock goes.
        token_lifetime: Seconds for which the credential's tokens are good.
        rights: The roles of callers, where storage beside it is to know them too.
        start: How the nodes' processes are started.
        record: Whether to keep all requests, bodies included.
    """

    def __init__(
        self,
        *,
        https: bool = True,
        port: int = 0,
        settings: Settings | None = None,
        storage: StorageAccount | None = None,
        certificates: Certificates | None = None,
        node_path: Iterable[str | Path] = (),
        virtual_tasks: VirtualTasks | None = None,
        speed: float = 1.0,
        token_lifetime: float = 3600,
        rights: Rights | None = None,
        start: Start = start_process,
        record: bool = True,
    ) -> None:
        self.settings = settings or Settings()
        self.account = self.settings.name
        self.key = base64.b64encode(os.urandom(64)).decode()
        self.credential = EmulatedCredential(token_lifetime)
        self.async_credential = AsyncEmulatedCredential(token_lifetime)
        self.faults = Faults()
        self.roles = Roles()
        self.rights = rights or Rights()
        self.endpoint = ""
        """Scheme, host and port, once started."""
        self._https = https
        self._port = port
        self._storage = storage
        self._certificates = certificates
        self._node_path = tuple(str(Path(folder).absolute()) for folder in node_path)
        self._virtual_tasks = virtual_tasks
        self._clock = Clock(speed)
        self._start = start
        self._record = record
        self._loop = asyncio.new_event_loop()
        self._crashes = Crashes()
        self._alarm: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="emulator", daemon=True)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="batch-"))
        if self._https and self._certificates is None:
            self._certificates = make_certificates(self._folder)
        self._executor = self._make_executor()
        self._account = Account(
            self.settings, self._clock, self._executor, self.faults, self.roles, self.rights
        )
        self._account.settle = partial(settle, self._account)
        self._server = Server(
            account=self._account,
            key=self.key,
            record=self._record,
            after_each=self._arm,
            crashes=self._crashes,
        )
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._run(self._hang_up())
        self._executor.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._crashes.errors and error is None:
            raise RuntimeError("the emulator itself has failed") from self._crashes.errors[0]

    def _make_executor(self) -> ProcessExecutor | VirtualExecutor:
        if self._virtual_tasks is not None:
            return VirtualExecutor(self._clock, self._virtual_tasks)
        transfers = Transfers(self.roles, self.faults, self._storage)
        root = self._folder / "nodes"
        return ProcessExecutor(root, transfers, self._post, self._node_path, self._start)

    async def _listen(self) -> None:
        self._loop.set_exception_handler(self._crashed)
        self._http = web.Server(self._server.handle, request_factory=make_request, access_log=None)
        context = (
            self._certificates.server_context() if self._https and self._certificates else None
        )
        listener = await self._loop.create_server(self._http, "127.0.0.1", self._port, ssl=context)
        plain = await self._loop.create_server(self._http, "127.0.0.1", 0) if context else listener
        self._listeners = {listener, plain}
        port, plain_port = (each.sockets[0].getsockname()[1] for each in (listener, plain))
        self._identity_endpoint = f"http://127.0.0.1:{plain_port}/_emulator/principals"
        self.endpoint = f"{'https' if self._https else 'http'}://127.0.0.1:{port}"
        self._account.url = self.endpoint
        self._account.ca_file = self.ca_file

    async def _hang_up(self) -> None:
        for listener in self._listeners:
            listener.close()
        await hang_up(self._http)
        # what still answers is cancelled by then, but a task is over only once it was waited for
        answering = asyncio.all_tasks() - {asyncio.current_task()}
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)

    def _crashed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep an error of the emulator itself for the end, so that no test passes in spite of it."""
        error = context.get("exception") or RuntimeError(context["message"])
        self._crashes.errors.append(error)
        logging.getLogger(__name__).error(context["message"], exc_info=error)

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def _post(self, act: Callable[[], None]) -> None:
        """Do *act* on the service's thread; callable from any thread."""

        def acting() -> None:
            act()
            self._arm()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(acting)

    def _call(self, act: Callable[[], T]) -> T:
        """Do *act* on the service's thread, settle what follows, and return its result."""

        async def acting() -> T:
            try:
                return act()
            finally:
                self._account.settle()
                self._arm()

        result: T = self._run(acting())
        return result

    def _arm(self) -> None:
        """Set the timer for whatever is due next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        seconds = self._clock.real_seconds_to_next()
        if seconds is not None:
            self._alarm = self._loop.call_later(seconds, self._due)

    def _due(self) -> None:
        self._clock.run_due()
        self._arm()

    @property
    def ca_file(self) -> str:
        """The authority that clients have to trust, also for the storage beside."""
        return str(self._certificates.ca_file) if self._certificates else ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which another process trusts this one and can sign in as azure-identity does."""
        return self.environment_of(PRINCIPAL)

    def environment_of(self, principal: str) -> dict[str, str]:
        """Return the same variables, to sign in as *principal*, who may do what its roles allow."""
        trusted = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        signed_in = {
            # without TLS, as on Azure, where it is on the machine itself
            "IDENTITY_ENDPOINT": f"{self._identity_endpoint}/{principal}/token",
            "IDENTITY_HEADER": "test",
            "RUNNER_PRICES_URL": "off",  # whoever looks for this cloud is not to ask Azure's prices
        }
        return {**signed_in, **(dict.fromkeys(trusted, self.ca_file) if self.ca_file else {})}

    @property
    def requests(self) -> tuple[Seen, ...]:
        """All requests so far, oldest first."""
        return tuple(self._call(lambda: list(self._server.requests)))

    def forget_requests(self) -> None:
        self._call(self._server.requests.clear)

    @property
    def clock(self) -> ClockControl:
        return ClockControl(self._clock, self._call)

    def put_pool(
        self, name: str, resource: Mapping[str, Any] | None = None, **properties: Any
    ) -> Json:
        """Create or update a pool as ARM does, and return how the data plane shows it.

        *resource* and *properties* are ARM's: vmSize, identity, scaleSettings, startTask, …;
        *identity* may also be a list of ARM ids. Without a size or an image it gets some.

        Raises:
            BatchError: Its formula or its scale is refused.
        """
        body = {**DEFAULT_POOL, **(resource or {}), **properties}
        identity = body.get("identity")
        if identity is not None and not isinstance(identity, dict):
            assigned: Json = {each: {} for each in identity}
            body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": assigned}
        return self._call(
            lambda: views.pool_view(
                self.endpoint, routes_control.put_pool(self._account, name, body)
            )
        )

    def delete_pool(self, name: str) -> None:
        self._call(lambda: pools.delete(self._account, self._account.pool(name)))

    def grant(self, identity: str, role: str, container: str = ANY) -> None:
        """Give an identity "reader" or "contributor" (or Azure's name of it) on a container."""
        self.roles.assign(identity, role, container)

    def pool(self, name: str) -> Json:
        """Return a pool as the data plane shows it."""
        return self._call(lambda: views.pool_view(self.endpoint, self._account.pool(name)))

    def nodes(self, pool: str) -> list[Json]:
        """Return the pool's nodes as the data plane shows them."""
        return self._call(
            lambda: [
                views.node_view(self.endpoint, node)
                for node in self._account.pool(pool).nodes.values()
            ]
        )

    def preempt(self, pool: str, node: str) -> None:
        """Preempt a Spot node, as Azure does."""
        self._call(lambda: node_faults.preempt(self._account, self._account.node(pool, node)))

    def restore(self, pool: str, node: str) -> None:
        """Return a preempted node, unless its pool has become smaller by then."""

        def act() -> None:
            if found := self._account.pool(pool).nodes.get(key(node)):
                node_faults.restore(self._account, found)

        self._call(act)

    def lose(self, pool: str, node: str) -> None:
        """Let a node become unknown to the service."""
        self._call(lambda: node_faults.lose(self._account, self._account.node(pool, node)))

    def make_unusable(self, pool: str, node: str, code: str = "Unknown") -> None:
        self._call(
            lambda: node_faults.make_unusable(self._account, self._account.node(pool, node), code)
        )


DEFAULT_POOL: Mapping[str, Any] = {
    "vmSize": "STANDARD_D2S_V5",
    "deploymentConfiguration": {
        "virtualMachineConfiguration": {
            "imageReference": {
                "publisher": "canonical",
                "offer": "ubuntu-24_04-lts",
                "sku": "server",
                "version": "latest",
            },
            "nodeAgentSkuId": "batch.node.ubuntu 24.04",
        }
    },
}


class ClockControl:
    """The service's clock, for a test's thread."""

    def __init__(self, clock: Clock, call: Callable[[Callable[[], Any]], Any]) -> None:
        self._clock = clock
        self._call = call

    @property
    def speed(self) -> float:
        return self._clock.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._call(lambda: setattr(self._clock, "speed", speed))

    def step(self, seconds: float = 0, *, minutes: float = 0) -> None:
        """Let virtual time pass at once, with everything that happens in it."""
        self._call(lambda: self._clock.step(seconds + 60 * minutes))


def make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: Any,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=LARGEST_READ
    )
