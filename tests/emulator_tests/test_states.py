"""No sequence of calls and faults leads to a state or a change that Batch does not have."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.emulator import jobs, node_faults, nodes, pools, scaling, states, tasks
from tests.emulator.account import Account, Limits, Settings, Timings
from tests.emulator.clock import Clock
from tests.emulator.errors import BatchError
from tests.emulator.faults import Fault, Faults
from tests.emulator.model import Job, Node, Outcome, Pool, Task, key
from tests.emulator.rights import Rights
from tests.emulator.scheduler import settle
from tests.emulator.storage import Roles
from tests.emulator.virtual import VirtualExecutor, VirtualTasks

if TYPE_CHECKING:
    from collections.abc import Callable

DOCUMENTED: dict[str, set[tuple[str, str]]] = {
    "PoolState": {("active", "deleting")},
    "AllocationState": {
        ("steady", "resizing"),
        ("resizing", "steady"),
        ("resizing", "stopping"),
        ("stopping", "steady"),
    },
    "JobState": {
        ("active", "disabling"),
        ("disabling", "disabled"),
        ("disabled", "disabling"),
        ("disabled", "enabling"),
        ("enabling", "active"),
        ("terminating", "completed"),
        *((s, "terminating") for s in ("active", "disabling", "disabled", "enabling")),
        *(
            (s, "deleting")
            for s in ("active", "disabling", "disabled", "enabling", "terminating", "completed")
        ),
    },
    "TaskState": {
        ("active", "preparing"),
        ("preparing", "running"),
        ("preparing", "active"),
        ("preparing", "completed"),
        ("active", "running"),
        ("running", "active"),
        ("running", "completed"),
        ("active", "completed"),
        ("completed", "active"),
    },
}
"""What section 3 of the facts has, written down a second time, by hand."""

BOOT = ("creating", "starting", "waitingforstarttask", "idle")
NODE_ENDS = {"leavingpool", "unusable", "unknown", "preempted"}
NODE_STEPS = {
    *itertools.pairwise(BOOT),
    ("starting", "idle"),
    ("waitingforstarttask", "starttaskfailed"),
    ("idle", "running"),
    ("running", "idle"),
    ("idle", "offline"),
    ("running", "offline"),
    ("offline", "idle"),
    ("rebooting", "starting"),
    ("preempted", "creating"),
    ("deallocating", "deallocated"),
    ("deallocated", "starting"),
}
NODE_STOPS = {"rebooting", "deallocating"}
GONE = {"leavingpool"}


def is_documented(kind: str, before: str, after: str) -> bool:
    if kind != "NodeState":
        return (before, after) in DOCUMENTED[kind]
    return (
        (before, after) in NODE_STEPS
        or (after in NODE_ENDS and before not in GONE)
        or (after in NODE_STOPS and before not in {"creating", "starting", *GONE})
    )


def test_the_tables_of_the_emulator_have_no_change_that_is_not_documented() -> None:
    for kind, table in states.ALLOWED.items():
        for before, afters in table.items():
            for after in afters:
                if kind is states.NodeState and "offline" in (before, after):
                    continue  # offline may become running when its tasks are still there
                assert is_documented(kind.__name__, before, after), (before, after)


class Life(RuleBasedStateMachine):
    """An account of virtual tasks, to which anything may happen at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(speed=0)
        self.exit_codes: list[int] = []
        virtual = VirtualTasks(seconds=40, exit_code=lambda _work: self.next_exit_code())
        self.account = Account(
            Settings(
                timings=Timings(allocation=20, creating=10, starting=10, leaving=5, job=3),
                limits=Limits(pools=3),
                nodes_at_most=6,
            ),
            self.clock,
            VirtualExecutor(self.clock, virtual),
            Faults(),
            Roles(),
            Rights(),
        )
        self.account.settle = partial(settle, self.account)
        self.names = 0

    def next_exit_code(self) -> int:
        return self.exit_codes.pop() if self.exit_codes else 0

    @initialize()
    def start(self) -> None:
        definition = {
            "id": "pool",
            "vmSize": "standard_d2s_v5",
            "taskSlotsPerNode": 2,
            "targetDedicatedNodes": 1,
        }
        scaling.create_pool(self.account, definition | {"targetLowPriorityNodes": 1})
        jobs.create(self.account, {"id": "job", "poolInfo": {"poolId": "pool"}})

    def attempt(self, act: Callable[[], object]) -> None:
        """Do what a client may ask for; a refusal is an answer, too."""
        with contextlib.suppress(BatchError):
            act()
        self.account.settle()

    def pick(self, things: list[Any], index: int) -> Any:
        return things[index % len(things)]

    @property
    def every_pool(self) -> list[Pool]:
        return list(self.account.pools.values())

    @property
    def every_job(self) -> list[Job]:
        return list(self.account.jobs.values())

    @property
    def every_node(self) -> list[Node]:
        return [node for pool in self.every_pool for node in pool.nodes.values()]

    @property
    def every_task(self) -> list[Task]:
        return [task for job in self.every_job for task in job.order]

    @rule(seconds=st.sampled_from([1, 5, 20, 45, 400, 1000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.step(seconds)
        self.account.settle()

    @rule(start_task=st.booleans(), wait=st.booleans())
    def a_pool_is_made(self, start_task: bool, wait: bool) -> None:
        definition: dict[str, Any] = {
            "id": "pool",
            "vmSize": "standard_d2s_v5",
            "targetDedicatedNodes": 1,
        }
        if start_task:
            definition["startTask"] = {"commandLine": "x", "waitForSuccess": wait}
        self.attempt(lambda: scaling.create_pool(self.account, definition))

    @rule(
        auto=st.sampled_from(["noaction", "terminatejob"]),
        priority=st.integers(-2, 2),
        prepared=st.booleans(),
    )
    def a_job_is_made(self, auto: str, priority: int, prepared: bool) -> None:
        self.names += 1
        definition: dict[str, Any] = {
            "id": f"job{self.names}",
            "poolInfo": {"poolId": "pool"},
            "priority": priority,
            "onAllTasksComplete": auto,
            "usesTaskDependencies": True,
        }
        if prepared:
            definition["jobPreparationTask"] = {"commandLine": "x"}
            definition["jobReleaseTask"] = {"commandLine": "x"}
        self.attempt(lambda: jobs.create(self.account, definition))

    @precondition(lambda self: self.every_job)
    @rule(
        at=st.integers(0, 9),
        slots=st.integers(1, 3),
        code=st.integers(0, 1),
        retries=st.integers(-1, 2),
        after=st.booleans(),
    )
    def a_task_is_added(self, at: int, slots: int, code: int, retries: int, after: bool) -> None:
        self.names += 1
        job = self.pick(self.every_job, at)
        definition: dict[str, Any] = {"id": f"t{self.names}", "commandLine": "x"}
        definition |= {"requiredSlots": slots, "constraints": {"maxTaskRetryCount": retries}}
        if after and job.order:
            definition["dependsOn"] = {"taskIds": [job.order[-1].id]}
        self.exit_codes.append(code)
        self.attempt(lambda: tasks.add(self.account, job, definition))

    @precondition(lambda self: self.every_job)
    @rule(at=st.integers(0, 9), option=st.sampled_from(["requeue", "terminate", "wait"]))
    def a_job_is_disabled(self, at: int, option: str) -> None:
        self.attempt(lambda: jobs.disable(self.account, self.pick(self.every_job, at), option))

    @precondition(lambda self: self.every_job)
    @rule(at=st.integers(0, 9), act=st.sampled_from([jobs.enable, jobs.delete]))
    def a_job_is_enabled_or_deleted(self, at: int, act: Any) -> None:
        self.attempt(lambda: act(self.account, self.pick(self.every_job, at)))

    @precondition(lambda self: self.every_job)
    @rule(at=st.integers(0, 9))
    def a_job_is_terminated(self, at: int) -> None:
        self.attempt(lambda: jobs.terminate(self.account, self.pick(self.every_job, at), "x"))

    @precondition(lambda self: self.every_task)
    @rule(at=st.integers(0, 99), act=st.sampled_from([tasks.reactivate, tasks.delete]))
    def a_task_is_reactivated_or_deleted(self, at: int, act: Any) -> None:
        self.attempt(lambda: act(self.account, self.pick(self.every_task, at)))

    @precondition(lambda self: self.every_task)
    @rule(at=st.integers(0, 99))
    def a_task_is_terminated(self, at: int) -> None:
        self.attempt(lambda: tasks.terminate(self.account, self.pick(self.every_task, at)))

    @precondition(lambda self: self.every_pool)
    @rule(
        dedicated=st.integers(0, 4),
        low=st.integers(0, 3),
        option=st.sampled_from(["requeue", "terminate", "taskcompletion"]),
    )
    def a_pool_is_resized(self, dedicated: int, low: int, option: str) -> None:
        options: dict[str, Any] = {"targetDedicatedNodes": dedicated}
        options["targetLowPriorityNodes"] = low
        options |= {"nodeDeallocationOption": option, "resizeTimeout": "PT5M"}
        self.attempt(lambda: pools.resize(self.account, self.every_pool[0], options))

    @precondition(lambda self: self.every_pool)
    @rule(act=st.sampled_from([pools.stop_resize, pools.delete]))
    def a_resize_is_stopped_or_a_pool_deleted(self, act: Any) -> None:
        self.attempt(lambda: act(self.account, self.every_pool[0]))

    @precondition(lambda self: self.every_node)
    @rule(
        at=st.integers(0, 9),
        act=st.sampled_from([nodes.reboot, nodes.deallocate, nodes.disable_scheduling]),
        option=st.sampled_from(["requeue", "terminate", "taskcompletion"]),
    )
    def a_node_is_taken_out_of_work(self, at: int, act: Any, option: str) -> None:
        self.attempt(lambda: act(self.account, self.pick(self.every_node, at), option))

    @precondition(lambda self: self.every_node)
    @rule(
        at=st.integers(0, 9),
        act=st.sampled_from(
            [
                nodes.start,
                nodes.enable_scheduling,
                node_faults.preempt,
                node_faults.restore,
                node_faults.lose,
            ]
        ),
    )
    def something_befalls_a_node(self, at: int, act: Any) -> None:
        self.attempt(lambda: act(self.account, self.pick(self.every_node, at)))

    @precondition(lambda self: self.every_node)
    @rule(at=st.integers(0, 9), option=st.sampled_from(["requeue", "terminate", "taskcompletion"]))
    def a_node_is_removed(self, at: int, option: str) -> None:
        node = self.pick(self.every_node, at)
        options = {"nodeList": [node.id], "nodeDeallocationOption": option}
        self.attempt(lambda: pools.remove_nodes(self.account, node.pool, options))

    @rule(kind=st.sampled_from(["resize", "unusable", "start_task"]))
    def a_fault_is_to_happen(self, kind: Any) -> None:
        self.account.faults.add(Fault(kind))

    @invariant()
    def changes_are_documented(self) -> None:
        allocations = [pool.allocation for pool in self.every_pool]
        things: list[Any] = [*self.every_pool, *allocations, *self.every_job]
        for thing in [*things, *self.every_node, *self.every_task]:
            if thing.previous is not None:
                kind = type(thing.state).__name__
                assert is_documented(kind, thing.previous, thing.state), (
                    thing.previous,
                    thing.state,
                )

    @invariant()
    def no_node_bears_more_than_its_slots(self) -> None:
        assert all(node.free_slots >= 0 for node in self.every_node)

    @invariant()
    def a_node_runs_exactly_the_tasks_that_run_on_it(self) -> None:
        for node in self.every_node:
            for run, task in node.runs.items():
                assert (task.run, task.node) == (run, node)
                assert self.account.runs[run] is task
        for task in self.every_task:
            assert (task.run is not None) == (task.state in ("running", "preparing"))
            if task.run is not None:
                assert task.node is not None
                assert task.node.runs[task.run] is task

    @invariant()
    def a_node_is_running_if_it_runs_something(self) -> None:
        for node in self.every_node:
            if node.state in ("idle", "running"):
                assert (node.state == "running") == bool(node.runs)
            elif node.runs:
                assert node.state not in (*BOOT, "preempted", "unknown", "unusable", "leavingpool")

    @invariant()
    def counts_are_right(self) -> None:
        for job in self.every_job:
            told = jobs.task_counts(job)["taskCounts"]
            states_ = Counter(str(task.state) for task in job.order)
            assert told["active"] == states_["active"]
            assert told["running"] == states_["running"] + states_["preparing"]
            assert told["completed"] == states_["completed"] == told["succeeded"] + told["failed"]
            assert told["failed"] == sum(task.failure is not None for task in job.order)

    @invariant()
    def what_has_ended_says_how(self) -> None:
        for task in self.every_task:
            if task.state == "completed":
                assert task.end is not None
                assert (task.failure is None) == (task.exit_code == 0)
            else:
                assert (task.end, task.exit_code, task.failure) == (None, None, None)

    @invariant()
    def nothing_waits_beside_a_free_place(self) -> None:
        for job in self.every_job:
            pool = self.account.pools.get(key(job.pool_id or ""))
            if job.state != "active" or pool is None:
                continue
            free = [
                node.free_slots
                for node in pool.nodes.values()
                if nodes.takes_tasks(node) and node.prepared.get(key(job.id)) != "failed"
            ]
            waiting = [t for t in job.order if t.state == "active" and t.parents is None]
            assert not any(task.slots <= max(free, default=0) for task in waiting)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_an_outcome_of_an_abandoned_run_is_not_heard() -> None:
    life = Life()
    life.start()
    life.time_passes(45)
    tasks.add(life.account, life.every_job[0], {"id": "t", "commandLine": "x"})
    life.account.settle()
    (task,) = life.every_task
    run = task.run
    assert run is not None
    tasks.requeue(life.account, task, by_user=True)
    tasks.finished(life.account, run, Outcome(exit_code=1))
    assert task.state == "active"
