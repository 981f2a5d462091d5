"""Storage at a known distance: a proxy before Azurite in which each transfer takes a fixed time."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import ClientSession, TCPConnector, web

from tests.emulator.azurite import Azurite

_HOP_BY_HOP = ("transfer-encoding", "connection", "host")


class SlowStorage(Azurite):
    """Azurite whose sources take *up* seconds to arrive, and results *down* seconds to come.

    Only what the runner moves is slow, not what the nodes do: they live beside the storage.
    """

    def __init__(self) -> None:
        super().__init__()
        self.up = 0.0
        self.down = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._port_before = 0

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread.start()
        self._await(self._listen())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._await(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        super().__exit__(kind, error, trace)

    @property
    def blob_endpoint(self) -> str:
        """The account's, by way of the proxy once it is there."""
        direct = urlsplit(super().blob_endpoint)
        return f"https://127.0.0.1:{self._port_before or direct.port}{direct.path}"

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        assert self.certificates is not None
        self._origin = super().blob_endpoint.rsplit("/", 1)[0]
        trust = ssl.create_default_context(cafile=self.ca_file)
        self._session = ClientSession(
            connector=TCPConnector(ssl=trust, limit=100), auto_decompress=False
        )
        self._server = web.ServerRunner(web.Server(self._pass_on))
        await self._server.setup()
        context = self.certificates.server_context()
        site = web.TCPSite(self._server, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self._port_before = self._server.addresses[0][1]

    async def _hang_up(self) -> None:
        await self._server.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        content = await request.read()
        await asyncio.sleep(self._delay(request))
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        async with self._session.request(
            request.method,
            self._origin + request.raw_path,
            headers=headers,
            data=content,
            skip_auto_headers=("content-type", "user-agent", "accept"),
        ) as answer:
            body = await answer.read()
            passed = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP_BY_HOP}
            return web.Response(status=answer.status, headers=passed, body=body)

    def _delay(self, request: web.BaseRequest) -> float:
        is_source = "/input-" in request.path and request.path.endswith(".wav")
        is_result = "/output-" in request.path and "/result." in request.path
        if request.method == "PUT" and is_source:
            return self.up
        if request.method == "GET" and is_result:
            return self.down
        return 0.0
