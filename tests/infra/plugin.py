"""Be one of Pulumi's plugins: a server whose port is the first line of stdout."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc

MESSAGE_LIMIT = 400 * 1024 * 1024


def new_server() -> grpc.Server:
    """Return a server that takes messages as large as Pulumi's."""
    options = [("grpc.max_receive_message_length", MESSAGE_LIMIT)]
    return grpc.server(ThreadPoolExecutor(max_workers=16), options=options)


def serve(server: grpc.Server) -> None:
    """Serve on a port of this machine, until the engine ends this process."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.stop(grace=None)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
