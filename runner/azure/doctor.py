"""The checks of `runner doctor` on Azure, each with one thing to do about it."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runner.azure.deployment import Deployment
from runner.azure.diagnosis import alarms
from runner.azure.errors import NoRoleError
from runner.azure.node_health import failed_start
from runner.azure.pools import Pool
from runner.azure.session import Session
from runner.azure.signing import Lifetimes, Signer
from runner.errors import RunnerError
from runner.findings import Finding
from runner.formatting import printable

_SOON = timedelta(days=183)


def check_azure(session: Session) -> Iterator[Finding]:
    """Check sign-in, permissions, pools, images and storage of the session's deployment.

    This checks all pools, unless one was chosen.
    """
    yield _account(session.deployment)
    chosen = session.deployment.chosen
    for pool in session.deployment.pools:
        if chosen in ("", pool.name):
            yield from _check_pool(session.on(session.deployment.on(pool.name)), pool)
    for what, look in (("quota", _quota), ("jobs", _jobs), ("storage", _storage)):
        yield _check(what, look, session)


def _check_pool(session: Session, pool: Pool) -> Iterator[Finding]:
    """Check one pool; each finding has the pool's name, if it has one."""
    for what, look in (
        ("pool", _pool),
        ("image", _image),
        ("nodes", _nodes),
        ("nodes' ffmpeg", _node_ffmpeg),
    ):
        found = _check(what, look, session)
        yield replace(found, what=f"{what} ({pool.name})" if pool.name else what)


def _check(what: str, look: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return look(session)
    except RunnerError as error:
        return Finding(what, good=False, detail=str(error))


def _account(deployment: Deployment) -> Finding:
    """Return what the outputs say: nothing can be reached without them."""
    detail = (
        f"Batch account {deployment.batch_account} and storage account "
        f"{deployment.storage_account} in resource group {deployment.resource_group}, "
        f"{deployment.location}, subscription {deployment.subscription_id}"
    )
    return Finding("environment", good=True, detail=detail)


def _pool(session: Session) -> Finding:
    deployment = session.deployment
    pool = session.jobs.pool.get()
    has = [
        each.resource_id.lower()
        for each in (pool.identity and pool.identity.user_assigned_identities) or ()
    ]
    if deployment.pool_identity_id and deployment.pool_identity_id.lower() not in has:
        detail = f"{pool.id} does not have the identity that the stack declares"
        return Finding("pool", good=False, detail=detail, remedy="run `pulumi up`")
    if pool.task_slots_per_node != deployment.pool.task_slots:
        detail = f"{pool.id} has {pool.task_slots_per_node} task slots, the stack {deployment.pool.task_slots}"
        return Finding("pool", good=False, detail=detail, remedy="run `pulumi up`")
    if (pool.vm_size or "").lower() != deployment.pool.vm_size.lower():
        detail = f"{pool.id} has VM size {pool.vm_size}, the stack {deployment.pool.vm_size}"
        return Finding("pool", good=False, detail=detail, remedy="run `pulumi up`")
    is_default = deployment.pool.name and deployment.pool.default
    extra = ("the default" if is_default else "", printable(deployment.pool.purpose))
    detail = ", ".join(filter(None, (deployment.description, pool.vm_size, *extra)))
    return Finding("pool", good=True, detail=detail)


def _image(session: Session) -> Finding:
    machine = session.jobs.pool.get().virtual_machine_configuration
    agent = machine.node_agent_sku_id if machine else ""
    try:
        images = session.jobs.pool.images(agent or "")
    except NoRoleError:
        # this needs the right to read the account, which no run needs and a Job Submitter does not have
        detail = f"{agent}; only an Azure Batch Account Reader can see until when Batch supports it"
        return Finding("image", good=True, detail=detail)
    ends = [image.batch_support_end_of_life for image in images]
    noble = session.deployment.set_for_pool("image", "noble")
    return image_finding(agent or "", ends, datetime.now(UTC), f"`{noble}`, then `pulumi up`")


def image_finding(
    agent: str, ends: Sequence[datetime | None], now: datetime, remedy: str
) -> Finding:
    """Return the finding about the images of *agent*, which Batch supports until *ends* (None: no end)."""
    last = max((end for end in ends if end is not None), default=None)
    if not ends or (last is not None and last <= now):
        detail = f"Batch no longer supports any image for {agent}"
        return Finding("image", good=False, detail=detail, remedy=remedy)
    detail = f"{agent} is supported"
    if last is not None and last < now + _SOON:
        detail += f" until {last:%Y-%m-%d} only: {remedy}"
    return Finding("image", good=True, detail=detail)


def _nodes(session: Session) -> Finding:
    snapshot = session.jobs.pool.snapshot()
    found = list(alarms(snapshot, session.deployment))
    if found:
        node = failed_start(snapshot)
        log = session.start_task_log(node) if node else ()
        wrong = [alarm.in_doctor or alarm.text for alarm in found]
        return Finding("nodes", good=False, detail="; ".join(wrong), lines=log)
    count = len(snapshot.nodes)
    what = (
        f"{count}, no problems reported" if count else "none now; the pool grows when there is work"
    )
    return Finding("nodes", good=True, detail=what)


def _quota(session: Session) -> Finding:
    """Return what to compare with the quota: reading the quota takes rights that running does not."""
    deployment = session.deployment
    wanted: Counter[str] = Counter()
    for pool in deployment.pools:
        wanted["lowPriorityCores (Spot)"] += pool.max_spot_nodes * pool.node_vcpus
        wanted[pool.quota_family] += pool.max_dedicated_nodes * pool.node_vcpus
    vcpus = [f"{count} of {name}" for name, count in wanted.items() if count]
    if not vcpus:
        return Finding(
            "quota", good=True, detail="this stack's outputs do not say which quota the pool needs"
        )
    if deployment.pool_allocation_mode == "BatchService":
        command = (
            f"az batch account show -g {deployment.resource_group} -n {deployment.batch_account}"
        )
    else:
        command = f"az vm list-usage -l {deployment.location} -o table"
    count = len(deployment.pools)
    who = "the pool needs" if count == 1 else f"all {count} pools need"
    detail = f"at full size {who} these vCPUs: {', '.join(vcpus)}; compare with `{command}`"
    return Finding("quota", good=True, detail=detail)


def _node_ffmpeg(session: Session) -> Finding:
    deployment = session.deployment
    name, package = deployment.pool.node_ffmpeg, deployment.pool.node_ffmpeg_package
    if not name:
        detail = "from their image or the package mirrors, as the stack is configured"
    elif session.blobs.exists(deployment.tools_container, name):
        detail = f"from {package}, in storage"
    else:
        detail = f"from {package}, once a `runner convert` has uploaded it"
    return Finding("nodes' ffmpeg", good=True, detail=detail)


def _jobs(session: Session) -> Finding:
    newest = session.jobs.newest()
    # without the right to submit this is refused; with it, nothing happens, as there is no such job
    session.jobs.terminate(f"doctor-{uuid.uuid4()}", "a check of rights")
    detail = f"can be submitted and listed; the newest is {newest or 'none'}"
    return Finding("jobs", good=True, detail=detail)


def _storage(session: Session) -> Finding:
    deployment, name = session.deployment, f"doctor/{uuid.uuid4()}"
    for container in (
        deployment.input_container,
        deployment.tools_container,
        deployment.output_container,
    ):
        session.blobs.put(container, name, b"x")
        session.blobs.read(container, name, longest=1)
        session.blobs.delete(container, [name])
        next(session.blobs.names(container, name), None)
    moment = timedelta(minutes=1)
    Signer(session.storage, deployment, Lifetimes(moment, moment)).writable(
        deployment.output_container
    )
    return Finding(
        "storage", good=True, detail=f"{deployment.blob_endpoint} can be read and written"
    )
