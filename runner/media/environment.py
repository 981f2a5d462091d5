"""The environment of programs that runner starts, without secrets."""

from __future__ import annotations

import os
import re
from functools import lru_cache

# Parts of the names that clouds, Pulumi and others use: AZURE_CLIENT_SECRET,
# RUNNER_BATCH_KEY, PULUMI_CONFIG_PASSPHRASE, AZURE_STORAGE_CONNECTION_STRING, GITHUB_TOKEN …
_NAMES = re.compile(
    r"(?:^|_)(?:\w*KEY|\w*TOKEN|\w*SECRETS?|\w*PASSWORD|PASSWD|PASS|PASSPHRASE|SAS|SIGNATURE"
    r"|CREDENTIALS?|CONN(?:ECTION)?_?STR(?:ING)?|IDENTITY_HEADER|RUNNER_NOTIFY)(?:_|$)",
    re.IGNORECASE,
)
_VALUES = re.compile(r"(?i)\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=|[?&]sig=")

_NO_MODULES = "/nonexistent"


def without_secrets() -> dict[str, str]:
    """Return the environment of this process without anything that signs in somewhere."""
    return {name: value for name, value in os.environ.items() if not _is_secret(name, value)}


def environment_of_programs() -> dict[str, str]:
    """Return the environment to start programs in: `without_secrets`, and what keeps a static ffmpeg from crashing.

    At the service names of many MPEG-TS files, the glibc in a static ffmpeg loads modules by the cache of this
    system's glibc, which is another version. With a folder named in GCONV_PATH no glibc uses the cache, see
    https://man7.org/linux/man-pages/man3/iconv.3.html; programs of this system still find their modules. Seen
    with the 4.2.2 and 7.0.2 of imageio-ffmpeg, of John Van Sickle's builds, on glibc 2.36.
    """
    return {"GCONV_PATH": _NO_MODULES, **without_secrets()}


@lru_cache(maxsize=1024)  # it is asked for each program that is started
def _is_secret(name: str, value: str) -> bool:
    return bool(_NAMES.search(name) or _VALUES.search(value))
