"""Pulumi's plugins in this process, which saves the seconds of CPU that it takes to start them.

The engine attaches to the plugins whose ports it is told, and the program is run as Pulumi's Automation
API runs one in its own process. The test of the README's commands has the engine start processes, as it
does for users.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, provider_pb2_grpc

from tests.infra import plugin
from tests.infra.program import program
from tests.infra.provider.azure import SECONDS, Azure
from tests.infra.provider.hooks import VARIABLES as PROVIDERS_VARIABLES
from tests.infra.provider.server import Provider, plain
from tests.infra.provider.store import Store


@contextmanager
def served(state: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Serve the language host, and a provider of what is in *state*; gives the engine's variables.

    The provider has those variables of *environment* that are meant for it.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in PROVIDERS_VARIABLES & environment.keys():
            patch.setenv(name, environment[name])
        with _serving(state) as port:
            yield {
                "PULUMI_DEBUG_LANGUAGES": f"python:{port}",
                "PULUMI_DEBUG_PROVIDERS": f"azure-native:{port}",
            }


@contextmanager
def _serving(state: Path) -> Iterator[int]:
    server, host = plugin.new_server(), Host(program)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(OneProvider(state), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(grace=None).wait()
        # an engine that failed has not waited for the program, and two of them would share Pulumi's settings
        with host.running:
            pass


class Host(LanguageServer):
    """Runs the program here; knows the engine by its first call."""

    engine = ""

    def __init__(self, program: Callable[[], None]) -> None:
        super().__init__(program)
        self.running = Lock()
        """Held while the program runs."""

    def Handshake(self, request: Any, context: Any) -> Any:
        self.engine = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def Run(self, request: Any, context: Any) -> Any:
        request.args.insert(0, self.engine)
        with self.running:
            return super().Run(request, context)  # type: ignore[no-untyped-call]  # so it is


class OneProvider(Provider):
    """A provider that all which the engine configures share: they must be configured alike."""

    def __init__(self, state: Path) -> None:
        super().__init__(Azure(Store(state), SECONDS))
        self.configuration: dict[str, Any] | None = None

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def Configure(self, request: Any, context: Any) -> Any:
        configuration = plain(request.args)
        assert self.configuration in (None, configuration), "start a process for each of them"
        self.configuration = configuration
        return super().Configure(request, context)
