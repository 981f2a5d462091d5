"""Run as Pulumi runs a provider: the port on the first line of stdout, until the engine ends it.

PROVIDER_STATE names the file that stands for Azure.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.infra.provider.azure import Azure
from tests.infra.provider.server import serve
from tests.infra.provider.store import Store


def main() -> None:
    """Serve until a signal comes."""
    server, port = serve(Azure(Store(Path(os.environ["PROVIDER_STATE"]))))

    def end(_signal: int, _frame: FrameType | None) -> None:
        server.stop(grace=None)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()


main()
