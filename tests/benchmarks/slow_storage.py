"""Storage at a known distance: a proxy before Azurite in which each transfer takes a fixed time."""

import asyncio
from typing import Self

from aiohttp import web

from tests.emulator.azurite import Azurite
from tests.emulator.front import Proxy


class SlowStorage(Proxy):
    """Azurite whose sources take *up* seconds to arrive, and results *down* seconds to come.

    Only what the runner moves is slow, not what the nodes do: they live beside the storage.
    """

    def __init__(self) -> None:
        self._azurite = Azurite()
        self.up = 0.0
        self.down = 0.0

    def __enter__(self) -> Self:
        super().__init__(self._azurite.__enter__())
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._azurite.__exit__(*error)

    async def before(self, request: web.BaseRequest) -> web.Response | None:
        """Let what travels take its time."""
        await asyncio.sleep(self._delay(request))
        return None

    def _delay(self, request: web.BaseRequest) -> float:
        is_source = "/input-" in request.path and request.path.endswith(".wav")
        is_result = "/output-" in request.path and "/result." in request.path
        if request.method == "PUT" and is_source:
            return self.up
        if request.method == "GET" and is_result:
            return self.down
        return 0.0
