"""A temporary certificate authority, shared by everything that runs on this machine."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority for clients to trust, and the certificate of servers on this machine."""

    ca_file: Path
    server_file: Path
    """Private key and chain in one."""

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_file)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority and a certificate of 127.0.0.1 and localhost in *folder*."""
    authority = trustme.CA(organization_name="tests.emulator")
    made = Certificates(folder / "ca.pem", folder / "server.pem")
    authority.cert_pem.write_to_path(str(made.ca_file))
    certificate = authority.issue_cert("127.0.0.1", "localhost", "::1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(made.server_file))
    return made
