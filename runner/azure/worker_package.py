"""Pack `runner/media` for the nodes as one small zip application, named after its hash.

It includes the library for tags, as installed on this machine.
"""

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_ENTRY = "import sys\nfrom runner.media.node import main\nsys.exit(main())\n"
# mutagen's command-line tools
_LEFT_OUT = ("__pycache__", "_tools")
# a fixed time, so that the same code gives the same bytes and the same name
_TIME = (2020, 1, 1, 0, 0, 0)


@cache
def pack_worker() -> tuple[str, bytes]:
    """Return the name and the bytes of the application that nodes run with `python3`."""
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
    """Yield the Python files in *folder*, by their paths under *name*."""
    found: dict[str, bytes] = {}
    for one in folder.iterdir():
        if one.is_dir() and one.name not in _LEFT_OUT:
            found |= _modules(one, f"{name}/{one.name}")
        elif one.name.endswith(".py"):
            found[f"{name}/{one.name}"] = one.read_bytes()
    return found
