"""The start task: what a fresh node runs before it takes work. Pure: settings in, text out."""

import base64
from dataclasses import dataclass

VARIABLE = "RUNNER_START_TASK"
"""The environment setting that carries the script."""

COMMAND = f'/bin/bash -c \'script=$(base64 -d <<< "${VARIABLE}") && exec /bin/bash -c "$script"\''
"""The command line, which Batch splits and runs without a shell.

The script travels encoded in an environment setting: nothing in it can be taken for a quote or a
variable on the way, and a damaged one does not decode, rather than run by half.
"""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the installation bears with apt."""

    attempts: int = 8
    pause: int = 30
    """Seconds between two attempts."""
    lock: int = 300
    """Seconds to wait for another dpkg: a first boot's own upgrades hold it for minutes."""
    step: int = 600
    """Seconds after which one apt-get counts as stalled, and is ended."""


def start_task_script(
    patience: Patience | None = None, *, install: bool = True, sources: str = "/etc/apt"
) -> str:
    """Return the script: have ffmpeg and Python 3.10 on the node, prove it by an encoding.

    Runs at every boot, so it leaves alone what is there. With *install* false it only proves, for
    an image that brings ffmpeg. *sources* is apt's folder.
    """
    patience = patience or Patience()
    body = _INSTALL if install else _MISSING
    return _SCRIPT.format(
        ensure=body.format(patience=patience, middle=patience.attempts // 2, sources=sources),
    )


def encoded(script: str) -> str:
    """Return *script* as the environment setting's value."""
    return base64.b64encode(script.encode()).decode()


_SCRIPT = """\
#!/bin/bash
# Makes a node ready to convert media.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# A restarted service could be Batch's own agent.
export NEEDRESTART_SUSPEND=1

say() {{ printf '%s start task: %s\\n' "$(date -u +%FT%TZ)" "$*" >&2; }}

# Run, not only found: a half-installed one is there and does not start.
ready() {{
    ffmpeg -version >/dev/null 2>&1 && python3 -V >/dev/null 2>&1
}}

{ensure}
prove() {{
    python3 -V
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        {{ say "the worker needs Python 3.10 or newer"; return 1; }}
    ffmpeg -version
    local folder
    folder=$(mktemp -d)
    if ! ffmpeg -nostdin -hide_banner -loglevel error -f lavfi -i sine=duration=1 \\
        -c:a libmp3lame "$folder/proof.mp3" || [ ! -s "$folder/proof.mp3" ]; then
        say "this ffmpeg cannot encode mp3 (libmp3lame)"
        return 1
    fi
    rm -rf "$folder"
}}

ensure
prove
say "ready"
"""

_MISSING = """\
ensure() {{
    ready || {{ say "ffmpeg or python3 is missing, and this pool's image should bring them"; return 1; }}
}}
"""

_INSTALL = """\
apt() {{
    timeout --kill-after=10 {patience.step} apt-get -y -q \\
        -o DPkg::Lock::Timeout={patience.lock} \\
        -o Dpkg::Options::=--force-confold \\
        -o Acquire::Retries=3 \\
        -o Acquire::http::Timeout=30 \\
        -o Acquire::https::Timeout=30 \\
        "$@" </dev/null
}}

# Azure's own mirror can stall for many minutes; Ubuntu's is slower but another one.
leave_mirror() {{
    say "leaving azure.archive.ubuntu.com for archive.ubuntu.com"
    find {sources} \\( -name '*.list' -o -name '*.sources' \\) \\
        -exec sed -i 's|//azure\\.archive\\.ubuntu\\.com|//archive.ubuntu.com|g' {{}} +
}}

ensure() {{
    local attempt
    for ((attempt = 1; attempt <= {patience.attempts}; attempt++)); do
        if ready; then return 0; fi
        if ((attempt == {middle} + 1)); then leave_mirror; fi
        say "installing ffmpeg, attempt $attempt of {patience.attempts}"
        # An attempt that was ended half-way leaves packages unpacked but not set up.
        dpkg --configure -a </dev/null || true
        if ! {{ apt update && apt install --no-install-recommends ffmpeg python3; }}; then
            say "apt-get failed or stalled"
            sleep {patience.pause}
        fi
    done
    ready || {{ say "no ffmpeg after {patience.attempts} attempts; the reasons are above"; return 1; }}
}}
"""
