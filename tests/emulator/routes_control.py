"""The control API: what happens to the account from outside the data plane, as HTTP.

ARM's pools, the roles of identities, faults, the clock, faults of nodes, and tokens.
Nothing here asks for a sign-in.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.emulator import arm, auth, jobs, node_faults, pools, scaling, views
from tests.emulator.checks import Shape, an_object, number, text
from tests.emulator.errors import BatchError
from tests.emulator.faults import Fault
from tests.emulator.ids import made_up_id
from tests.emulator.model import key
from tests.emulator.operations import Answer, Call, Routes
from tests.emulator.states import AllocationState
from tests.emulator.times import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.emulator.account import Account
    from tests.emulator.model import Json, Node, Pool

routes = Routes(public=True)


class AnyObject(Shape):
    """A body that is checked by what becomes of it."""

    def __call__(self, name: str, value: Any) -> dict[str, Any]:
        return dict(an_object(name, value))


ANY_OBJECT = AnyObject()
ROLE = Shape({"identity": text, "role": text}, {"container": text})
IDENTITY = Shape({"identity": text})
CLOCK = Shape({}, {"speed": number, "step": number})


def put_pool(account: Account, name: str, resource: Json) -> Pool:
    """Create or update a pool as ARM does.

    Raises:
        BatchError: Its formula or its scale is refused.
    """
    definition = arm.definition_of(name, resource)
    identities = arm.identities_of(resource)
    found = account.pools.get(key(name))
    if found is None:
        return scaling.create_pool(account, definition, identities=identities)
    pools.refuse_deleting(found)
    found.identities = identities
    kept = {k: v for k, v in definition.items() if k not in pools.MOVED_TO_FIELDS}
    found.definition = {**kept, "vmSize": found.definition["vmSize"]}
    rescale(account, found, definition)
    pools.touch(account, found)
    return found


def rescale(account: Account, pool: Pool, definition: Json) -> None:
    if definition.get("enableAutoScale"):
        scaling.check_scaling(definition)
        scaling.adopt(account, pool, definition)
        return
    pool.formula = None
    wanted = [definition.get(f"target{kind}Nodes", 0) for kind in ("Dedicated", "LowPriority")]
    if wanted != [pool.target_dedicated, pool.target_low_priority]:
        if pool.allocation.state != AllocationState.STEADY:
            raise BatchError("PoolBeingResized")
        pools.begin_resize(account, pool, definition)


@routes.add("GET", "/_emulator")
def describe(call: Call) -> Answer:
    account = call.account
    return Answer(
        body={
            "account": account.settings.name,
            "endpoint": account.url,
            "now": timestamp(account.now()),
            "pools": [pool.id for pool in account.pools.values()],
            "jobs": [job.id for job in account.jobs.values()],
        }
    )


@routes.add("PUT", "/_emulator/pools/{pool}", 200, ANY_OBJECT)
def control_put_pool(call: Call, pool: str) -> Answer:
    return Answer(body=views.pool_view(call.url, put_pool(call.account, pool, call.body)))


@routes.add("GET", "/_emulator/pools/{pool}")
def control_get_pool(call: Call, pool: str) -> Answer:
    return Answer(body=views.pool_view(call.url, call.account.pool(pool)))


@routes.add("DELETE", "/_emulator/pools/{pool}", 202)
def control_delete_pool(call: Call, pool: str) -> Answer:
    pools.delete(call.account, call.account.pool(pool))
    return Answer()


@routes.add("DELETE", "/_emulator/jobs", 204)
def control_delete_jobs(call: Call) -> Answer:
    """Delete all jobs, as goes with an account."""
    for job in list(call.account.jobs.values()):
        jobs.delete(call.account, job)
    return Answer()


@routes.add("POST", "/_emulator/roles", 204, ROLE)
def control_assign_role(call: Call) -> Answer:
    body = call.body
    try:
        call.account.roles.assign(body["identity"], body["role"], body.get("container", "*"))
    except ValueError as error:
        raise BatchError("InvalidRequestBody", {"Reason": error}) from error
    return Answer()


@routes.add("DELETE", "/_emulator/roles", 204, IDENTITY)
def control_revoke_roles(call: Call) -> Answer:
    call.account.roles.revoke(call.body["identity"])
    return Answer()


@routes.add("POST", "/_emulator/faults", 204, ANY_OBJECT)
def control_add_fault(call: Call) -> Answer:
    try:
        call.account.faults.add(Fault.from_json(call.body))
    except ValueError as error:
        raise BatchError("InvalidRequestBody", {"Reason": error}) from error
    return Answer()


@routes.add("GET", "/_emulator/faults")
def control_list_faults(call: Call) -> Answer:
    return Answer(body={"value": [asdict(fault) for fault in call.account.faults.pending]})


@routes.add("DELETE", "/_emulator/faults", 204)
def control_clear_faults(call: Call) -> Answer:
    call.account.faults.clear()
    return Answer()


@routes.add("POST", "/_emulator/clock", 200, CLOCK)
def control_set_clock(call: Call) -> Answer:
    clock = call.account.clock
    clock.speed = call.body.get("speed", clock.speed)
    clock.step(call.body.get("step", 0))
    return Answer(body={"now": timestamp(clock.now()), "speed": clock.speed})


@routes.add("POST", "/_emulator/pools/{pool}/nodes/{node}/{event}", 204)
def control_node_event(call: Call, pool: str, node: str, event: str) -> Answer:
    if event not in EVENTS:
        raise BatchError("InvalidUri", {"Reason": f"one of {', '.join(EVENTS)}"})
    EVENTS[event](call.account, call.account.node(pool, node))
    return Answer()


EVENTS: dict[str, Callable[[Account, Node], None]] = {
    "preempt": node_faults.preempt,
    "restore": node_faults.restore,
    "lose": node_faults.lose,
    "unusable": partial(node_faults.make_unusable, code="Unknown"),
}
"""What may befall a node."""


@routes.add("GET", "/_emulator/principals/{principal}/token")
def control_token(call: Call, principal: str) -> Answer:
    """Answer as a managed identity's endpoint does, for programs that sign in by themselves."""
    return token_for(principal, call)


@routes.add("GET", "/_emulator/pools/{pool}/metadata/identity/oauth2/token")
def control_metadata(call: Call, pool: str) -> Answer:
    """Answer a pool's nodes as the metadata service does: with tokens of the identities on the pool.

    Raises:
        BatchError: The header that it wants is missing, or a parameter, or no identity of the pool is
            named.
    """
    if call.headers.get("metadata", "").lower() != "true":
        raise BatchError("MissingRequiredHeader", {"HeaderName": "Metadata"})
    for name in ("api-version", "resource"):
        if not call.query.get(name):
            raise BatchError("MissingRequiredQueryParameter", {"QueryParameterName": name})
    wanted = {name: call.query.get(name, "").lower() for name in ("client_id", "msi_res_id")}
    for identity in call.account.pool(pool).identities:
        if wanted["client_id"] == made_up_id(identity, "client") or (
            wanted["msi_res_id"] == key(identity)
        ):
            return token_for(made_up_id(identity, "principal"), call)
    raise BatchError("InvalidQueryParameterValue", {"Reason": "Identity not found"})


def token_for(principal: str, call: Call) -> Answer:
    """Answer with a token that is *principal*'s."""
    audience = auth.audience_of(call.query.get("resource", ""))
    expires = str(int(time.time()) + 3600)
    return Answer(
        body={
            "access_token": auth.token(audience, principal=principal),
            "expires_on": expires,
            "resource": audience,
            "token_type": "Bearer",
        }
    )
