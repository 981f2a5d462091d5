"""Finished tasks are taken in as fast as their results can be collected, and each once."""

import threading
from pathlib import Path
from queue import SimpleQueue

from runner.azure.context import RunContext
from runner.azure.poll import Poller
from runner.azure.tasks import FinishedTask
from runner.azure.work_items import WorkItem
from runner.conversions import Conversions
from runner.models import Conversion, Plan, Source
from tests.azure.conftest import MP3, MakeCloud, MakeEngine
from tests.cloud import fixed
from tests.conftest import until
from tests.emulator import VirtualTasks

FILES = 30
ROOM = 4
RUN = "20261126-0900-mossy-otter"


def test_no_more_is_taken_in_than_there_is_room_for(
    make_cloud: MakeCloud, engine_on: MakeEngine, tmp_path: Path
) -> None:
    cloud = make_cloud(
        virtual_tasks=VirtualTasks(seconds=1), taskSlotsPerNode=4, scaleSettings=fixed(2)
    )
    conversions = Conversions.of(
        Conversion(Source(f"/in/{n}.wav", 1, n), f"{n}.mp3", MP3) for n in range(FILES)
    )
    plan = Plan(RUN, tmp_path, conversions)
    news: SimpleQueue[object] = SimpleQueue()
    context = engine_on(cloud).context_of(plan, tmp_path, news.put)
    run_tasks(context, conversions)
    until(lambda: context.jobs.counts(RUN).completed == FILES)
    waiting: SimpleQueue[str] = SimpleQueue()

    def take(item: WorkItem, end: FinishedTask) -> None:
        assert item.task == end.task
        waiting.put(end.task)

    poller = Poller(context, [RUN], take, lambda: None, lambda: waiting.qsize() >= ROOM)
    polling = threading.Thread(target=poller.run)
    polling.start()
    try:
        until(lambda: waiting.qsize() == ROOM)
        polls = len(cloud.azure.requests)
        until(lambda: len(cloud.azure.requests) > polls + 5)
        assert waiting.qsize() == ROOM
        ended = [waiting.get(timeout=60) for _ in conversions]
    finally:
        context.stopped.set()
        polling.join()
    assert sorted(ended) == sorted(f"{conversion.id}-a1" for conversion in conversions)
    assert (waiting.empty(), len(context.in_flight)) == (True, 0)


def run_tasks(context: RunContext, conversions: Conversions) -> None:
    context.jobs.create(RUN)
    items = [WorkItem(conversions, place, job=RUN) for place in range(FILES)]
    for item in items:
        context.in_flight.add(item)
    tasks: list[dict[str, object]] = [{"id": item.task, "commandLine": "true"} for item in items]
    assert context.adder.add(RUN, tasks) == {}
