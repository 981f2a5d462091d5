"""Pack `runner/media` for the nodes: one small zip application, named by its hash.

The library that reads and writes tags goes with it, as it is installed here.
"""

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_ENTRY = "import sys\nfrom runner.media.node import main\nsys.exit(main())\n"
# mutagen's own commands
_LEFT_OUT = ("__pycache__", "_tools")
# a fixed time, so that the same code has the same bytes and so the same name
_TIME = (2020, 1, 1, 0, 0, 0)


@cache
def pack_worker() -> tuple[str, bytes]:
    """The name and the bytes of the application that nodes run with `python3`."""
    sources = _modules(files("runner.media"), "runner/media")
    sources |= _modules(files("mutagen"), "mutagen")
    sources |= {"runner/__init__.py": b"", "__main__.py": _ENTRY.encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(sources):
            archive.writestr(zipfile.ZipInfo(name, _TIME), sources[name], zipfile.ZIP_DEFLATED)
    data = buffer.getvalue()
    return f"worker-{hashlib.sha256(data).hexdigest()[:16]}.pyz", data


def _modules(folder: Traversable, name: str) -> dict[str, bytes]:
    """The Python files below *folder*, by their paths below *name*."""
    found: dict[str, bytes] = {}
    for one in folder.iterdir():
        if one.is_dir() and one.name not in _LEFT_OUT:
            found |= _modules(one, f"{name}/{one.name}")
        elif one.name.endswith(".py"):
            found[f"{name}/{one.name}"] = one.read_bytes()
    return found
