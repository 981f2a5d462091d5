"""Pack `runner/media` for the nodes as one small zip application, named after its hash.

It includes the library for tags, as installed on this machine.
"""

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

_ENTRY = """import sys
from launch import unpacked
sys.path[:0] = unpacked({name!r}, {size})
from runner.media.node import main
sys.exit(main())
"""
# mutagen's command-line tools
_LEFT_OUT = ("__pycache__", "_tools")
# a fixed time, so that the same code gives the same bytes and the same name
_TIME = (2020, 1, 1, 0, 0, 0)


@cache
def pack_worker() -> tuple[str, bytes]:
    """Return the name and the bytes of the application that nodes run with `python3`."""
    sources = _modules(files("runner.media"), "runner/media")
    sources |= _modules(files("mutagen"), "mutagen")
    sources |= {"runner/__init__.py": b"", "launch.py": sources["runner/media/launch.py"]}
    name, size = f"worker-{_digest(sources)}", sum(map(len, sources.values()))
    sources["__main__.py"] = _ENTRY.format(name=name, size=size).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(sources):
            archive.writestr(zipfile.ZipInfo(path, _TIME), sources[path], zipfile.ZIP_DEFLATED)
    return f"{name}.pyz", buffer.getvalue()


def _digest(sources: dict[str, bytes]) -> str:
    facts = [
        _ENTRY,
        *((path, hashlib.sha256(sources[path]).hexdigest()) for path in sorted(sources)),
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _modules(folder: Traversable, name: str) -> dict[str, bytes]:
    """Yield the Python files in *folder*, by their paths under *name*."""
    found: dict[str, bytes] = {}
    for one in folder.iterdir():
        if one.is_dir() and one.name not in _LEFT_OUT:
            found |= _modules(one, f"{name}/{one.name}")
        elif one.name.endswith(".py"):
            found[f"{name}/{one.name}"] = one.read_bytes()
    return found
