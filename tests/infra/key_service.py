"""The few answers of HashiCorp Vault that Pulumi's engine needs to lock a stack's secrets without a passphrase.

Each command makes the key from a passphrase anew, by a million rounds of PBKDF2, which is a third of what
the command itself does. The tests of the pages, whose commands set one, use a passphrase.
https://developer.hashicorp.com/vault/api-docs/secret/transit
"""

import atexit
import json
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

SECRETS_PROVIDER = "hashivault://stack"
_ENCRYPT, _DECRYPT = "/v1/transit/encrypt/stack", "/v1/transit/decrypt/stack"
_SEAL = "vault:v1:"


@cache
def address() -> str:
    """Where it listens, on this machine; it serves from the first call on, to the end of this process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Transit)
    Thread(target=server.serve_forever, daemon=True).start()
    atexit.register(server.server_close)
    return f"http://127.0.0.1:{server.server_port}"


class _Transit(BaseHTTPRequestHandler):
    """Vault's transit engine, whose lock keeps nobody out."""

    def do_PUT(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = {
            _ENCRYPT: lambda: {"ciphertext": _SEAL + asked["plaintext"]},
            _DECRYPT: lambda: {"plaintext": asked["ciphertext"].removeprefix(_SEAL)},
        }
        body = json.dumps({"data": answers[self.path]()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
