"""Download ffmpeg from storage and upload the start task's log, with the node's identity.

Runs on the node, inside the start task: Python 3.10 and the standard library only.

    fetch ADDRESS FILE SHA256    unpack the blob (xz) into FILE, if the hash matches
    store FILE ADDRESS           upload the end of FILE
"""

import hashlib
import json
import lzma
import os
import sys
from pathlib import Path
from urllib import error, parse, request

METADATA = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254")
"""The service that issues tokens to a virtual machine; azure-identity reads the same variable."""
API_VERSION = "2021-12-02"
CHUNK = 1 << 20
LOG_BYTES = 64 * 1024


class RefusedError(Exception):
    """It cannot be done; the message says why."""


def token() -> str:
    """Sign in with the node's identity, which must be named because a node may have several."""
    query = {
        "api-version": "2018-02-01",
        "resource": "https://storage.azure.com/",
        "client_id": os.environ.get("RUNNER_IDENTITY", ""),
    }
    asked = request.Request(
        f"{METADATA}/metadata/identity/oauth2/token?{parse.urlencode(query)}",
        headers={"Metadata": "true"},
    )
    direct = request.build_opener(request.ProxyHandler({}))
    with direct.open(asked, timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def signed(address: str, data: bytes | None = None) -> request.Request:
    """Return a request to storage: GET, or PUT of *data*."""
    headers = {"Authorization": f"Bearer {token()}", "x-ms-version": API_VERSION}
    if data is None:
        return request.Request(address, headers=headers)
    headers |= {"x-ms-blob-type": "BlockBlob", "Content-Type": "text/plain; charset=utf-8"}
    return request.Request(address, data=data, headers=headers, method="PUT")


def fetch(address: str, target: str, sha256: str) -> None:
    """Unpack the blob at *address* into the program *target*."""
    unpacker, digest = lzma.LZMADecompressor(), hashlib.sha256()
    with (
        request.urlopen(signed(address), timeout=30) as answer,
        Path(target).open("wb") as file,
    ):
        while chunk := answer.read(CHUNK):
            plain = unpacker.decompress(chunk)
            digest.update(plain)
            file.write(plain)
    if digest.hexdigest() != sha256:
        raise RefusedError(f"the hash is {digest.hexdigest()}, not {sha256}")
    Path(target).chmod(0o755)


def store(file: str, address: str) -> None:
    """Upload the end of *file* to *address*."""
    with request.urlopen(signed(address, Path(file).read_bytes()[-LOG_BYTES:]), timeout=30):
        pass


def main(what: str, first: str, *rest: str) -> int:
    """Do what the arguments say; return 1 if it fails, 2 if they are unknown."""
    try:
        match what, rest:
            case "fetch", [target, sha256]:
                fetch(first, target, sha256)
            case "store", [address]:
                store(first, address)
            case _:
                return 2
    except error.HTTPError as refusal:
        code = refusal.headers.get("x-ms-error-code") or refusal.reason
        sys.stderr.write(f"{what}: {refusal.url.partition('?')[0]}: {refusal.code} {code}\n")
        return 1
    except (OSError, ValueError, EOFError, KeyError, lzma.LZMAError, RefusedError) as problem:
        sys.stderr.write(f"{what}: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
