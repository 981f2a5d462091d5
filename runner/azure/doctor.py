"""The checks of `runner doctor` on Azure, each with one remedy."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from runner.azure.diagnosis import alarms
from runner.azure.errors import NoRoleError
from runner.azure.node_health import failed_start
from runner.azure.session import Session
from runner.azure.signing import Lifetimes, Signer
from runner.errors import RunnerError
from runner.findings import Finding

_SOON = timedelta(days=183)


def check_azure(session: Session) -> Iterator[Finding]:
    """Check sign-in, rights, pool, image and storage of the session's deployment."""
    for what, look in (
        ("pool", _pool),
        ("image", _image),
        ("nodes", _nodes),
        ("quota", _quota),
        ("jobs", _jobs),
        ("storage", _storage),
        ("nodes' ffmpeg", _node_ffmpeg),
    ):
        yield _check(what, look, session)


def _check(what: str, look: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return look(session)
    except RunnerError as error:
        return Finding(what, good=False, detail=str(error))


def _pool(session: Session) -> Finding:
    deployment = session.deployment
    pool = session.jobs.pool()
    has = [
        each.resource_id.lower()
        for each in (pool.identity and pool.identity.user_assigned_identities) or ()
    ]
    if deployment.pool_identity_id and deployment.pool_identity_id.lower() not in has:
        detail = f"{pool.id} does not have the identity that the stack declares"
        return Finding("pool", good=False, detail=detail, remedy="run `pulumi up`")
    if pool.task_slots_per_node != deployment.pool_task_slots:
        detail = f"{pool.id} has {pool.task_slots_per_node} task slots, the stack {deployment.pool_task_slots}"
        return Finding("pool", good=False, detail=detail, remedy="run `pulumi up`")
    return Finding("pool", good=True, detail=f"{deployment.description}, {pool.vm_size}")


def _image(session: Session) -> Finding:
    machine = session.jobs.pool().virtual_machine_configuration
    agent = machine.node_agent_sku_id if machine else ""
    try:
        images = session.jobs.images(agent or "")
    except NoRoleError:
        # the account's own read: no run needs it, and the Job Submitter does not have it
        detail = (
            f"{agent}; how long Batch supports it may be looked up by an Azure Batch Account Reader"
        )
        return Finding("image", good=True, detail=detail)
    ends = [image.batch_support_end_of_life for image in images]
    return image_finding(agent or "", ends, datetime.now(UTC))


def image_finding(agent: str, ends: Sequence[datetime | None], now: datetime) -> Finding:
    """What it means that Batch gives up the images of *agent* at *ends*; none has no end yet."""
    remedy = "`pulumi config set image noble`, then `pulumi up`"
    last = max((end for end in ends if end is not None), default=None)
    if not ends or (last is not None and last <= now):
        detail = f"Batch supports no image for {agent} any more"
        return Finding("image", good=False, detail=detail, remedy=remedy)
    detail = f"{agent} is supported"
    if last is not None and last < now + _SOON:
        detail += f" until {last:%Y-%m-%d} only: {remedy}"
    return Finding("image", good=True, detail=detail)


def _nodes(session: Session) -> Finding:
    look = session.jobs.look()
    wrong = [alarm.text for alarm in alarms(look, session.deployment)]
    if wrong:
        node = failed_start(look)
        log = session.start_task_log(node) if node else ()
        return Finding("nodes", good=False, detail="; ".join(wrong), lines=log)
    count = len(look.nodes)
    what = (
        f"{count} there, no problems reported"
        if count
        else "none now; the pool grows with the work"
    )
    return Finding("nodes", good=True, detail=what)


def _quota(session: Session) -> Finding:
    """What to compare with the quota: reading it takes rights that running does not."""
    deployment = session.deployment
    wanted = {
        "lowPriorityCores (Spot)": deployment.pool_max_spot_nodes,
        deployment.pool_quota_family: deployment.pool_max_dedicated_nodes,
    }
    vcpus = [
        f"{count * deployment.pool_node_vcpus} of {name}"
        for name, count in wanted.items()
        if count and deployment.pool_node_vcpus
    ]
    if not vcpus:
        return Finding("quota", good=True, detail="what the pool wants is not said by this stack")
    if deployment.pool_allocation_mode == "BatchService":
        look = f"az batch account show -g {deployment.resource_group} -n {deployment.batch_account}"
    else:
        look = f"az vm list-usage -l {deployment.location} -o table"
    detail = f"at its largest the pool wants vCPUs: {', '.join(vcpus)}; what there is: `{look}`"
    return Finding("quota", good=True, detail=detail)


def _node_ffmpeg(session: Session) -> Finding:
    deployment = session.deployment
    name = deployment.node_ffmpeg
    if not name:
        detail = "from their image or the package mirrors, as the stack has it"
    elif session.blobs.exists(deployment.tools_container, name):
        detail = f"that of {deployment.node_ffmpeg_package}, from storage"
    else:
        detail = f"that of {deployment.node_ffmpeg_package}, once a `runner convert` has put it into storage"
    return Finding("nodes' ffmpeg", good=True, detail=detail)


def _jobs(session: Session) -> Finding:
    newest = session.jobs.newest()
    # refused to who may not submit, and nothing to who may: there is no such job
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
