"""Run as Pulumi runs a provider; PROVIDER_STATE names the file that stands for Azure."""

import os
from pathlib import Path

from pulumi.runtime.proto import provider_pb2_grpc

from tests.infra import plugin
from tests.infra.provider.azure import SECONDS, Azure
from tests.infra.provider.server import Provider
from tests.infra.provider.store import Store

provider = Provider(Azure(Store(Path(os.environ["PROVIDER_STATE"])), SECONDS))
server = plugin.new_server()
provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
plugin.serve(server)
