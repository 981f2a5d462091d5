"""The operations on pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.emulator import bodies, bodies_pools, pools, scaling, views
from tests.emulator.operations import Answer, Call, Routes, created, done, entity, listing

if TYPE_CHECKING:
    from tests.emulator.model import Json, Pool

routes = Routes()

FIELDS = {
    "id": lambda pool: pool.id,
    "displayName": lambda pool: pool.definition.get("displayName"),
    "state": lambda pool: str(pool.state),
    "allocationState": lambda pool: str(pool.allocation.state),
    "creationTime": lambda pool: pool.created,
    "lastModified": lambda pool: pool.modified,
    "stateTransitionTime": lambda pool: pool.since,
    "allocationStateTransitionTime": lambda pool: pool.allocation.since,
    "vmSize": lambda pool: str(pool.definition.get("vmSize", "")).lower(),
    "enableAutoScale": lambda pool: pool.formula is not None,
}


@routes.add("POST", "/pools", 201, bodies_pools.POOL_ADD_OLD)
def create_pool(call: Call) -> Answer:
    if not call.is_old:
        bodies_pools.POOL_ADD("body", call.body)
    bodies.refuse_left_out(call.body)
    pool = scaling.create_pool(call.account, call.body)
    return created(f"{call.url}/pools/{pool.id}", pool.modified)


@routes.add("GET", "/pools")
def list_pools(call: Call) -> Answer:
    found = sorted(call.account.pools.values(), key=order)
    return listing(
        call, found, lambda p: view(call, p), fragment="pools", fields=FIELDS, order=order
    )


def order(pool: Pool) -> str:
    return pool.id.lower()


def view(call: Call, pool: Pool) -> Json:
    return views.pool_view(call.url, pool)


@routes.add("HEAD", "/pools/{pool}")
def pool_exists(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified, read=True)
    return Answer(headers=done(call, found.modified).headers)


@routes.add("GET", "/pools/{pool}")
def get_pool(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified, read=True)
    return entity(call, view(call, found), "pools", found.modified)


@routes.add("PATCH", "/pools/{pool}", 200, bodies_pools.POOL_PATCH)
def update_pool(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    bodies.refuse_left_out(call.body)
    pools.update(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("DELETE", "/pools/{pool}", 202)
def delete_pool(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    pools.delete(call.account, found)
    return Answer()


@routes.add("POST", "/pools/{pool}/updateproperties", 204, bodies_pools.POOL_REPLACE)
def replace_pool_properties(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    bodies.refuse_left_out(call.body)
    pools.replace(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/resize", 202, bodies_pools.POOL_RESIZE)
def resize_pool(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    pools.resize(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/stopresize", 202)
def stop_pool_resize(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    pools.stop_resize(call.account, found)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/removenodes", 202, bodies_pools.REMOVE_NODES)
def remove_nodes(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    pools.remove_nodes(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/enableautoscale", 200, bodies_pools.ENABLE_AUTOSCALE)
def enable_pool_auto_scale(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    call.expect(found.modified)
    scaling.enable(call.account, found, call.body)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/disableautoscale")
def disable_pool_auto_scale(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    scaling.disable(call.account, found)
    return done(call, found.modified)


@routes.add("POST", "/pools/{pool}/evaluateautoscale", 200, bodies_pools.EVALUATE_AUTOSCALE)
def evaluate_pool_auto_scale(call: Call, pool: str) -> Answer:
    found = call.account.pool(pool)
    outcome = scaling.evaluate_now(call.account, found, call.body["autoScaleFormula"])
    kind = "Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun"
    return Answer(
        body={"odata.metadata": f"{call.metadata}{kind}", **outcome},
        headers=done(call).headers,
    )
