"""Start the emulator by hand: ``python -m tests.emulator --help``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.emulator.account import BY_HAND, Settings
from tests.emulator.azurite import KEY, NAME, Azurite
from tests.emulator.emulator import Emulator
from tests.emulator.storage import StorageAccount
from tests.emulator.wait_for_signal import StopSignal

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    stop = StopSignal()
    with contextlib.ExitStack() as stack:
        storage, certificates = None, None
        if options.storage == "azurite":
            azurite = stack.enter_context(Azurite(https=options.https))
            storage, certificates = azurite.account, azurite.certificates
        elif options.storage:
            ca_file = Path(options.storage_ca) if options.storage_ca else None
            storage = StorageAccount(
                blob_endpoint=options.storage.rstrip("/"), name=NAME, key=KEY, ca_file=ca_file
            )
        emulator = Emulator(
            https=options.https,
            port=options.port,
            settings=Settings(timings=BY_HAND, nodes_at_most=options.nodes),
            storage=storage,
            certificates=certificates,
            node_path=options.node_path,
            speed=options.speed,
            record=False,
        )
        stack.enter_context(emulator)
        sys.stdout.write(how_to_connect(emulator, storage))
        sys.stdout.flush()
        stop.wait()


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.emulator", description="An Azure Batch account on this machine."
    )
    made.add_argument("--port", type=int, default=0, help="default: any free one")
    made.add_argument("--nodes", type=int, default=4, help="at most so many in a pool (4)")
    made.add_argument("--https", action="store_true", help="with TLS, so that tokens work")
    made.add_argument(
        "--storage", metavar="URL", help="the nodes' blob endpoint, or azurite to start one"
    )
    made.add_argument("--storage-ca", metavar="FILE", help="whom to trust there")
    made.add_argument("--node-path", action="append", default=[], metavar="DIR")
    made.add_argument("--speed", type=float, default=1.0, help="how fast its clock goes (1)")
    return made


def how_to_connect(azure: Emulator, storage: StorageAccount | None) -> str:
    lines = [
        f"endpoint      {azure.endpoint}",
        f"account       {azure.account}",
        f"key           {azure.key}",
        f"storage       {storage.blob_endpoint if storage else '-'}",
        f"control API   {azure.endpoint}/_emulator",
        "",
        *(f"export {name}={value}" for name, value in azure.environment.items()),
        f"export AZURE_BATCH_ACCOUNT={azure.account} AZURE_BATCH_ENDPOINT={azure.endpoint}",
        f"export AZURE_BATCH_ACCESS_KEY={azure.key}",
        "",
        "A pool, as Azure Resource Manager would make it:",
        (
            f"curl -k -X PUT {azure.endpoint}/_emulator/pools/pool -d "
            """'{"vmSize": "STANDARD_D2S_V5", "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 1}}}'"""
        ),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
