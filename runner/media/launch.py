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


def unpacked(name: str, size: int) -> list[str]:
    """Return where Python finds this worker's modules before it looks into the zip file, unpacking them if need be.

    *name* is different for each version of them; they have *size* bytes. Without such a folder, or with a
    damaged one, the zip file itself will do.
    """
    shared = os.environ.get(SHARED)
    if not shared:
        return []
    folder = os.path.join(shared, name)
    try:
        if not os.path.isdir(folder):
            _unpack(sys.path[0], folder)
        # after a crash of the node, a file may have its name, but not its content
        return [folder] if _bytes_in(folder) == size else []
    except OSError:  # another task has just been faster, or the disk is full
        return []


def _unpack(archive: str, folder: str) -> None:
    import shutil  # noqa: PLC0415 - for the first task alone
    import zipfile  # noqa: PLC0415 - as above

    part = f"{folder}.{os.getpid()}"
    try:
        with zipfile.ZipFile(archive) as file:
            file.extractall(part, [name for name in file.namelist() if name != "__main__.py"])
        os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _bytes_in(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                total += entry.stat().st_size
            elif entry.name != "__pycache__":
                total += _bytes_in(entry.path)
    return total
