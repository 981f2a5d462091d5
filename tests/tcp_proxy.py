"""A line to the cloud: a TCP proxy that may be narrow or long, and may break."""

import asyncio
import math
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_CHUNK = 32 * 1024


@dataclass
class TcpProxy:
    """Passes connections on to *target*, as slowly as a line would, and breaks when it is told to.

    All connections share the bandwidth upwards, and that downwards, which usually is not limited, as
    lines are faster that way. Used as a context; `port` is where it listens.
    """

    target: int
    """A port of this machine."""
    bits_a_second: float = math.inf
    round_trip: float = 0.0
    """Seconds."""
    bits_a_second_down: float = math.inf
    port: int = 0
    bytes_up: int = 0
    """What has gone up so far."""
    connections: int = 0
    """How many have been made so far."""
    breaks: int = 0
    """How many connections are still to break: in the direction that `breaks_up` says, after more
    than `breaks_after` bytes."""
    breaks_after: int = 0
    breaks_up: bool = True

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._free_at = {True: 0.0, False: 0.0}
        """When the line has sent all that it was given, upwards and downwards."""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connect, "127.0.0.1", 0)

    async def _hang_up(self) -> None:
        self._server.close()
        # one that ends may leave another behind
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, back, up=True))
                tasks.create_task(self._pump(there, writer, up=False))
        except* ConnectionAbortedError:
            pass  # it was to break
        finally:
            for end in (writer, back):
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        passed = 0
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(line, writer))
            while data := await self._read(reader):
                passed += len(data)
                self._break_if_due(passed, up=up)
                await self._send(len(data), up=up)
                line.put_nowait((self._loop.time() + self.round_trip / 2, data))
            line.put_nowait((0.0, b""))

    def _break_if_due(self, passed: int, *, up: bool) -> None:
        if self.breaks and up is self.breaks_up and passed > self.breaks_after:
            self.breaks -= 1
            raise ConnectionAbortedError

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        with suppress(ConnectionError):
            return await reader.read(_CHUNK)
        return b""

    async def _send(self, size: int, *, up: bool) -> None:
        """Wait for as long as the line needs for *size* bytes, after all that came before."""
        if up:
            self.bytes_up += size
        speed = self.bits_a_second if up else self.bits_a_second_down
        if speed == math.inf:
            return
        now = self._loop.time()
        self._free_at[up] = max(self._free_at[up], now) + size * 8 / speed
        await asyncio.sleep(self._free_at[up] - now)

    async def _deliver(
        self, line: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await line.get()
            if not data:
                with suppress(OSError):
                    writer.write_eof()
                return
            await asyncio.sleep(due - self._loop.time())
            with suppress(ConnectionError):
                writer.write(data)
                await writer.drain()
