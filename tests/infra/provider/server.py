"""Pulumi's provider protocol, in front of the stand-in's Azure."""

import random
import uuid
from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.infra.provider import schema
from tests.infra.provider.azure import Azure
from tests.infra.provider.kinds import KINDS, SUBSCRIPTION, outputs_of
from tests.infra.provider.refusals import ArmError

VERSION = "3.29.0"

# Plain values only: unknown ones come as schema.UNKNOWN, secrets and resources as what they hold.
PLAIN = {"acceptSecrets": False, "acceptResources": False, "acceptOutputs": False}
AUTONAMED = "__createBeforeDelete"
"""Where azure-native remembers that it made a resource's name up."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The calls that an engine makes for a program's resources."""

    def __init__(self, azure: Azure) -> None:
        self.azure = azure
        self.location = ""

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        configured = plain(request.args)
        self.location = configured.get("location", "")
        self.azure.subscription = configured.get("subscriptionId", SUBSCRIPTION)
        return provider_pb2.ConfigureResponse(supportsPreview=True, **PLAIN)

    def Cancel(self, request: Any, context: Any) -> Any:
        return Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        try:
            answered = self.azure.answer(request.tok, plain(request.args))
        except LookupError as error:
            refuse(context, error)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(packed(answered))
        return response

    def Check(self, request: Any, context: Any) -> Any:
        """Complete the inputs as azure-native does, and hold them against its types."""
        token, news = request.type, plain(request.news)
        kind = KINDS.get(token)
        if kind is None:
            refuse(context, LookupError(f"the stand-in knows no resource {token}"))
        given = {key: value for key, value in news.items() if not key.startswith("__")}
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in schema.faults(token, given)
        ]
        if "location" in schema.properties(schema.arguments_class(token)):
            news.setdefault("location", self.location)
        if not news.get(kind.name_input):
            news[AUTONAMED] = True
            old = plain(request.olds).get(kind.name_input)
            news[kind.name_input] = old or made_up_name(request.name, token, request.randomSeed)
        return provider_pb2.CheckResponse(inputs=packed(news), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        """Compare inputs; what names a resource, and a few things more, make another one of it."""
        olds, news = plain(request.old_inputs), plain(request.news)
        kind = KINDS[request.type]
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        replaces = [key for key in changed if key in {*kind.path_inputs, *kind.fixed}]
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and not olds.get(AUTONAMED),
            detailedDiff={
                key: provider_pb2.PropertyDiff(kind=difference(key in replaces), inputDiff=True)
                for key in changed
            },
            hasDetailedDiff=True,
        )

    def Create(self, request: Any, context: Any) -> Any:
        token, inputs = request.type, without_notes(plain(request.properties))
        if request.preview:
            return provider_pb2.CreateResponse(properties=packed(previewed(token, inputs)))
        try:
            arm_id, outputs = self.azure.create(token, inputs)
        except ArmError as error:
            refuse(context, error)
        return provider_pb2.CreateResponse(id=arm_id, properties=packed(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        token, inputs = request.type, without_notes(plain(request.news))
        if request.preview:
            return provider_pb2.UpdateResponse(properties=packed(previewed(token, inputs)))
        try:
            outputs = self.azure.update(token, request.id, inputs)
        except ArmError as error:
            refuse(context, error)
        return provider_pb2.UpdateResponse(properties=packed(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        try:
            self.azure.delete(request.type, request.id)
        except ArmError as error:
            refuse(context, error)
        return Empty()

    def Read(self, request: Any, context: Any) -> Any:
        """Answer with what is there; nothing at all for what is not."""
        inputs = self.azure.read(request.id)
        if inputs is None:
            return provider_pb2.ReadResponse()
        notes = {key: value for key, value in plain(request.inputs).items() if key == AUTONAMED}
        return provider_pb2.ReadResponse(
            id=request.id,
            inputs=packed({**inputs, **notes}),
            properties=packed(outputs_of(request.type, request.id, inputs)),
        )


def refuse(context: Any, error: Exception) -> NoReturn:
    """End a call with *error*'s words."""
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise error  # abort has raised already; this tells the type checker


def difference(replaces: bool) -> Any:
    """Return the kind of a difference, in the protocol's terms."""
    kinds = provider_pb2.PropertyDiff
    return kinds.UPDATE_REPLACE if replaces else kinds.UPDATE


def plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return what a protocol message holds as Python values; whole numbers as such."""
    values: dict[str, Any] = whole(json_format.MessageToDict(struct))
    return values


def whole(value: Any) -> Any:
    """Turn 4.0 into 4 everywhere in *value*: the protocol has only one kind of number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(member) for key, member in value.items()}
    if isinstance(value, list):
        return [whole(member) for member in value]
    return value


def packed(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return *values* as a protocol message."""
    struct = struct_pb2.Struct()
    struct.update(dict(values))
    return struct


def without_notes(inputs: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the provider keeps for itself."""
    return {key: value for key, value in inputs.items() if not key.startswith("__")}


def previewed(token: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs before a deployment: what Azure adds is not known yet."""
    kind = KINDS[token]
    said = {name: value for name, value in inputs.items() if name not in kind.path_inputs}
    if token == "azure-native:keyvault:Vault":
        said["properties"] = {**inputs["properties"], "vaultUri": schema.UNKNOWN}
    said.pop("identity", None)  # a list on the way in, a map on the way out
    return said


def made_up_name(name: str, token: str, seed: bytes) -> str:
    """Append what makes a name unique; role assignments are named by GUID."""
    chance = random.Random(seed or None)
    if token == "azure-native:authorization:RoleAssignment":
        return str(uuid.UUID(int=chance.getrandbits(128)))
    return f"{name}{chance.getrandbits(32):08x}"
