"""Pack `runner/media` for the nodes: one small zip application, named by its hash."""

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files

_ENTRY = "import sys\nfrom runner.media.node import main\nsys.exit(main())\n"
# a fixed time, so that the same code has the same bytes and so the same name
_TIME = (2020, 1, 1, 0, 0, 0)


@cache
def pack() -> tuple[str, bytes]:
    """The name and the bytes of the application that nodes run with `python3`."""
    sources = {
        f"runner/media/{file.name}": file.read_bytes()
        for file in files("runner.media").iterdir()
        if file.name.endswith(".py")
    }
    sources |= {"runner/__init__.py": b"", "__main__.py": _ENTRY.encode()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(sources):
            archive.writestr(zipfile.ZipInfo(name, _TIME), sources[name])
    data = buffer.getvalue()
    return f"worker-{hashlib.sha256(data).hexdigest()[:16]}.pyz", data
