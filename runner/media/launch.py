"""Find the worker's modules on a node: unpacked once for all of its tasks.

Python compiles what it imports from a zip file anew each time. For the worker, that takes two thirds as
much CPU as the conversion of a song. What lies in a folder is compiled for the first task only.

The packed worker has this module beside its `__main__`; it imports as little as possible.
"""

from __future__ import annotations

import os
import sys

SHARED = "AZ_BATCH_NODE_SHARED_DIR"
"""The environment variable with the folder that the tasks of a node share:
https://learn.microsoft.com/azure/batch/batch-compute-node-environment-variables"""


def unpacked(name: str) -> list[str]:
    """Return where Python finds this worker's modules before it looks into the zip file, unpacking them if need be.

    *name* is different for each version of them. Without such a folder, the zip file itself will do.
    """
    shared = os.environ.get(SHARED)
    if not shared:
        return []
    folder = os.path.join(shared, name)
    if not os.path.isdir(folder):
        try:
            _unpack(sys.path[0], folder)
        except OSError:  # another task was faster, or the disk is full
            return [folder] if os.path.isdir(folder) else []
    return [folder]


def _unpack(archive: str, folder: str) -> None:
    import shutil  # noqa: PLC0415 - for the first task alone
    import zipfile  # noqa: PLC0415 - as above

    part = f"{folder}.{os.getpid()}"
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(part)
        if sys.platform != "win32":
            os.sync()  # else a folder might have its name, but not its content, after a crash of the node
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
