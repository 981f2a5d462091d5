"""A long film is encoded on several nodes at once, a task a piece, and joined by a task that waits for them."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.azure.names import joining_task
from runner.azure.pools import Pool
from runner.azure.session import Session
from runner.estimate.basis import History
from runner.estimate.contents import Contents, FileContent
from runner.estimate.on_azure import Terms, estimate_azure
from runner.estimate.speeds import Speeds, Timing
from runner.models import Conversion, Source, State
from runner.parallel import is_worth_pieces
from runner.presets import BUILT_IN
from tests.azure.conftest import MakeCloud, MakeEngine, drive, on_cloud, plan_of
from tests.azure.test_faults import drive_beside
from tests.cloud import POOL, Cloud, fixed
from tests.conftest import Run, until
from tests.runner.programs import converted, work
from tests.runner.test_split import PYRAMID, SOUND, X264, listed, make, picture
from tests.stand_in import stand_in_for_ffmpeg

MP4 = BUILT_IN["mp4"].recipe()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A folder with a film of four pieces of a second."""
    (tmp_path / "in").mkdir()
    make(tmp_path / "in", "a.mp4", *picture(), *SOUND, *X264, "-c:a", "aac")
    return tmp_path / "in"


def tasks(cloud: Cloud) -> Counter[str]:
    """How many tasks there are of each kind."""
    ids = [str(task.id) for task in cloud.tasks()]
    return Counter("piece" if joining_task(name) != name else "film" for name in ids)


def same_film(made: Path, source: Path, folder: Path) -> None:
    """Compare *made* with what this machine makes in one piece."""
    converted(work(source, folder / "one.mp4", how=MP4))
    assert listed(made, "V") == listed(folder / "one.mp4", "V")
    assert listed(made, "a") == listed(folder / "one.mp4", "a")


@pytest.mark.parametrize("signs_in", [True, False])
def test_a_film_is_made_of_the_pieces_of_several_tasks(
    signs_in: bool, make_cloud: MakeCloud, engine_on: MakeEngine, film: Path, tmp_path: Path
) -> None:
    cloud = make_cloud()
    cloud = cloud if signs_in else cloud.without_identity()
    plan = plan_of(film, tmp_path / "out", MP4)
    told = drive(engine_on(cloud, split="1"), plan)
    (end,) = told.results.values()
    assert (end.state, end.attempt) == (State.CONVERTED, 1)
    assert not [notice for notice in end.notices if "in one piece" in notice]
    assert tasks(cloud) == {"piece": 4, "film": 1}
    # the film took what its pieces took, too
    ran = [t.execution_info for t in cloud.tasks() if t.execution_info]
    spent = [
        (r.end_time - r.start_time).total_seconds() for r in ran if r.end_time and r.start_time
    ]
    assert end.seconds == pytest.approx(sum(spent), abs=0.01)
    same_film(tmp_path / "out" / "a.mp4", film / "a.mp4", tmp_path)
    # they are deleted with their run
    assert [name for name in cloud.stored("output") if name.endswith("piece.mp4")]
    session = Session(cloud.deployment)
    session.delete([plan.id])
    session.batch.close()
    session.storage.close()
    assert cloud.stored("output") == {}


@pytest.mark.parametrize(("split", "kinds"), [("off", {"film": 1}), ("auto", {"film": 1})])
def test_a_short_film_is_one_task_without_a_word(
    split: str, kinds: dict[str, int], cloud: Cloud, engine_on: MakeEngine, film: Path, tmp_path: Path
) -> None:  # fmt: skip
    told = drive(engine_on(cloud, split=split), plan_of(film, tmp_path / "out", MP4))
    (end,) = told.results.values()
    assert end.state is State.CONVERTED
    assert not [notice for notice in end.notices if "in one piece" in notice]
    assert tasks(cloud) == kinds


@pytest.mark.parametrize(
    ("words", "reason", "kinds"),
    [
        ([*PYRAMID, "-x264-params", "open-gop=1:b-pyramid=normal"], "before its keyframe", {"film": 1, "piece": 3}),
        ([*X264, "-g", "999"], "too few keyframes", {"film": 1}),
    ],
    ids=["found by a node", "found here"],
)  # fmt: skip
def test_what_cannot_be_encoded_in_pieces_is_one_in_the_end_with_a_word(
    words: list[str],
    reason: str,
    kinds: dict[str, int],
    cloud: Cloud,
    engine_on: MakeEngine,
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    source = make(tmp_path / "in", "a.mp4", *picture(), *words)
    told = drive(engine_on(cloud, split="1"), plan_of(tmp_path / "in", tmp_path / "out", MP4))
    (end,) = told.results.values()
    said = [notice for notice in end.notices if "in one piece" in notice]
    assert end.state is State.CONVERTED
    assert len(said) == 1
    assert tasks(cloud) == kinds
    assert reason in said[0] or "cannot be encoded by itself" in said[0]
    assert len(listed(tmp_path / "out" / "a.mp4", "V")) == len(listed(source, "V"))


# Ended from outside, as when there is no memory left.
KILLED = """
if "-an -sn -dn" in WORDS and "-ss" in ARGUMENTS:
    append("pieces", WORDS)
    os.kill(os.getpid(), 9)
"""


def test_a_film_without_one_of_its_pieces_is_tried_again_in_one(
    make_cloud: MakeCloud, engine_on: MakeEngine, film: Path, tmp_path: Path
) -> None:
    program = stand_in_for_ffmpeg(tmp_path, KILLED, get_ffmpeg_exe())
    cloud = make_cloud(ffmpeg=program.path)
    told = drive(engine_on(cloud, split="2"), plan_of(film, tmp_path / "out", MP4))
    (end,) = told.results.values()
    assert (end.state, end.attempt) == (State.CONVERTED, 2)
    assert len(program.said("pieces")) == 3  # Batch has tried it again by itself
    again = next(event for event in told.events if event.state is State.RETRYING)
    assert again.failure
    assert again.failure.message == "a piece of the film is missing"
    same_film(tmp_path / "out" / "a.mp4", film / "a.mp4", tmp_path)


# The last piece waits on its node; the others are encoded.
HELD = """
if "-an -sn -dn" in WORDS:
    append("pieces", WORDS)
    if "trim=" not in WORDS:
        append("held", WORDS)
        wait_for("go")
"""


def test_a_preempted_node_costs_one_piece(
    make_cloud: MakeCloud, engine_on: MakeEngine, film: Path, tmp_path: Path
) -> None:
    program = stand_in_for_ffmpeg(tmp_path, HELD, get_ffmpeg_exe())
    cloud = make_cloud(ffmpeg=program.path, scaleSettings=fixed(0, spot=1))

    def preempt() -> None:
        until(lambda: program.said("held") and completed(cloud) == 3)
        node = cloud.azure.nodes(POOL)[0]["id"]
        cloud.azure.preempt(POOL, node)
        (tmp_path / "go").touch()
        cloud.azure.restore(POOL, node)

    told = drive_beside(
        preempt,
        engine_on(cloud, split="1"),
        film,
        tmp_path / "out",
        plan=plan_of(film, tmp_path / "out", MP4),
    )
    (end,) = told.results.values()
    assert (end.state, end.attempt) == (State.CONVERTED, 1)
    assert len(program.said("pieces")) == 4 + 1
    same_film(tmp_path / "out" / "a.mp4", film / "a.mp4", tmp_path)


def test_cancel_ends_all_pieces_and_the_same_command_begins_the_film_anew(
    run: Run, make_cloud: MakeCloud, film: Path, tmp_path: Path
) -> None:
    program = stand_in_for_ffmpeg(tmp_path, HELD, get_ffmpeg_exe())
    cloud = make_cloud(ffmpeg=program.path)
    azure_run = on_cloud(run, cloud)
    command = ("convert", "in", "--to", "mp4", "--split", "1")
    following = azure_run.start(*command)
    until(lambda: program.said("held") and completed(cloud) == 3)
    (name,) = cloud.jobs()
    assert azure_run("cancel", name).exit_code == 0
    _, errors = following.communicate(timeout=60)
    assert following.returncode == 130, errors
    assert f"run {name} was cancelled with 1 file left" in errors
    assert completed(cloud) == 4, "the task that joins had not begun"
    assert cloud.stored("input") == {}
    (tmp_path / "go").touch()
    again = azure_run(*command)
    assert again.exit_code == 0, again.stderr
    assert "1 converted" in again.stderr
    assert tasks(cloud) == {"piece": 8, "film": 2}
    same_film(tmp_path / "out" / "a.mp4", film / "a.mp4", tmp_path)


def completed(cloud: Cloud) -> int:
    return sum(getattr(task.state, "value", "") == "completed" for task in cloud.tasks())


def test_another_command_collects_the_film_and_submits_no_piece_again(
    cloud: Cloud, engine_on: MakeEngine, film: Path, tmp_path: Path
) -> None:
    plan = plan_of(film, tmp_path / "out", MP4)
    assert not drive(engine_on(cloud, split="1", detach=True), plan).results
    told = drive(engine_on(cloud, split="1"), plan)
    (end,) = told.results.values()
    assert (end.state, end.attempt) == (State.CONVERTED, 1)
    assert tasks(cloud) == {"piece": 4, "film": 1}
    same_film(tmp_path / "out" / "a.mp4", film / "a.mp4", tmp_path)


@pytest.mark.parametrize(
    ("most", "jobs"), [(5, [1, 1, 1]), (14, [1, 2]), (15, [3]), (4, [1, 1, 1])]
)
def test_a_job_is_full_by_its_tasks_and_has_all_of_a_film(
    most: int,
    jobs: list[int],
    make_cloud: MakeCloud,
    engine_on: MakeEngine,
    film: Path,
    tmp_path: Path,
) -> None:
    for name in ("b.mp4", "c.mp4"):
        shutil.copy(film / "a.mp4", film / name)
    cloud = make_cloud(scaleSettings=fixed(0))
    plan = plan_of(film, tmp_path / "out", MP4)
    drive(engine_on(cloud, split="1", detach=True, first_poll=60.0, tasks_per_job=most), plan)
    films = {
        job: Counter(str(task.id).partition("-a")[0] for task in cloud.batch.list_tasks(job))
        for job in cloud.jobs()
    }
    assert sorted(len(films[job]) for job in films) == jobs
    assert sum(films.values(), Counter()) == {conversion.id: 5 for conversion in plan.conversions}
    assert all(set(each.values()) == {5} for each in films.values())


@pytest.mark.parametrize(
    ("files", "slots", "is_worth"), [(1, 1, False), (1, 2, True), (4, 8, True), (5, 8, False)]
)
def test_pieces_are_for_slots_that_would_be_empty(files: int, slots: int, is_worth: bool) -> None:
    assert is_worth_pieces(files, slots) is is_worth


@pytest.mark.parametrize(
    ("split", "film_seconds", "nodes", "share"),
    [("auto", 7200, 8, 1 / 8), ("off", 7200, 8, 1), ("auto", 500, 8, 1), ("auto", 7200, 1, 1), ("100", 500, 5, 1 / 5)],
)  # fmt: skip
def test_an_estimate_knows_of_the_pieces(
    split: str, film_seconds: float, nodes: int, share: float
) -> None:
    source = Source("/in/film.mkv", 10**9, 1)
    look = FileContent(Conversion(source, "film.mp4", MP4), film_seconds, 10.0**7, 1920 * 1080)
    here = Speeds([Timing(".mkv", look.rate, 10.0, 10.0, 10.0**6, look.pixels)], any_kind=False)
    pool = Pool(name="", id="p", vm_size="Standard_F2s_v2", task_slots=1, purpose="", default=True,
                max_nodes=nodes, node_vcpus=1, autoscale_minutes=0)  # fmt: skip
    terms = Terms(account="batch", pool=pool, prices=None, why_no_price="", uplink=1e12, whole=False,
                  jobs=1, cores=1, split=split)  # fmt: skip
    azure = estimate_azure(Contents((look,), 1, 0, 0.0), History((), {}), here, terms)
    assert azure.seconds == pytest.approx(film_seconds * share, rel=0.1)
    assert azure.nodes == min(nodes, round(1 / share))
    assert azure.sent == 10**9, "it travels once"
