"""Tasks are real processes on real folders."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError

from tests.emulator_tests.conftest import add_pool, ended, eventually, run, shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator import Emulator


def text(client: BatchClient, job: str, path: str) -> str:
    return b"".join(client.download_task_file(job, "task", path)).decode()


def test_a_task_sees_a_clean_environment_with_the_variables_of_batch(
    client: BatchClient, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_TESTS", "x")
    task = run(client, job, "env", environment_settings=[{"name": "MINE", "value": "1"}])
    assert task.execution_info.exit_code == 0
    given = dict(line.split("=", 1) for line in text(client, job, "stdout.txt").splitlines())
    assert set(given) == {
        "PATH", "HOME", "LANG", "MINE", "AZ_BATCH_ACCOUNT_NAME", "AZ_BATCH_ACCOUNT_URL",
        "AZ_BATCH_POOL_ID", "AZ_BATCH_NODE_ID", "AZ_BATCH_NODE_IS_DEDICATED", "AZ_BATCH_JOB_ID",
        "AZ_BATCH_TASK_ID", "AZ_BATCH_NODE_ROOT_DIR", "AZ_BATCH_NODE_SHARED_DIR",
        "AZ_BATCH_NODE_STARTUP_DIR", "AZ_BATCH_NODE_MOUNTS_DIR", "AZ_BATCH_TASK_DIR",
        "AZ_BATCH_TASK_WORKING_DIR",
        # the emulator's own: its metadata service has another address
        "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    }  # fmt: skip
    assert given["AZ_BATCH_TASK_WORKING_DIR"].endswith("/workitems/job/job-1/task/wd")
    assert (
        given["AZ_BATCH_TASK_DIR"] == given["AZ_BATCH_NODE_ROOT_DIR"] + "/workitems/job/job-1/task"
    )


def test_no_shell_reads_the_command_line(client: BatchClient, job: str) -> None:
    run(client, job, "/bin/echo $HOME * ; exit 4")
    assert text(client, job, "stdout.txt") == "$HOME * ; exit 4\n"


def test_what_it_prints_is_readable_while_it_runs(client: BatchClient, job: str) -> None:
    command = shell("pwd; echo no >&2; sleep 60")
    client.create_task(job, models.BatchTaskCreateOptions(id="task", command_line=command))
    eventually(lambda: client.get_task(job, "task").state == "running")
    eventually(lambda: "stdout.txt" in [f.name for f in client.list_task_files(job, "task")])
    eventually(lambda: text(client, job, "stdout.txt").endswith("/job-1/task/wd\n"))
    assert text(client, job, "stderr.txt") == "no\n"
    client.terminate_task(job, "task")


def test_a_bad_exit_code_is_a_failure_that_says_so(client: BatchClient, job: str) -> None:
    info = run(client, job, shell("exit 3")).execution_info
    assert (info.exit_code, info.result) == (3, "failure")
    assert (info.failure_info.category, info.failure_info.code) == ("usererror", "FailureExitCode")


def test_a_missing_program_has_no_exit_code(client: BatchClient, job: str) -> None:
    info = run(client, job, "no-such-program --help").execution_info
    assert (info.exit_code, info.failure_info.code) == (None, "CommandProgramNotFound")


def test_a_task_is_retried_after_bad_exits_only(client: BatchClient, job: str) -> None:
    retrying = models.BatchTaskConstraints(max_task_retry_count=2)
    script = shell("echo x >> tries; test $(wc -l < tries) = 3")
    info = run(client, job, script, constraints=retrying).execution_info
    assert (info.exit_code, info.retry_count, info.result) == (0, 2, "success")


def test_retries_come_to_an_end(client: BatchClient, job: str) -> None:
    retrying = models.BatchTaskConstraints(max_task_retry_count=1)
    info = run(client, job, shell("exit 2"), constraints=retrying).execution_info
    assert (info.exit_code, info.retry_count, info.result) == (2, 1, "failure")


def test_terminating_a_task_ends_its_whole_process_tree(
    client: BatchClient, job: str, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"setsid sleep 300 & echo $! > {pids}; env -i sleep 300 & echo $! >> {pids}; wait"
    client.create_task(job, models.BatchTaskCreateOptions(id="task", command_line=shell(script)))
    eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    client.terminate_task(job, "task")
    info = ended(client, job, "task").execution_info
    assert (info.exit_code, info.failure_info.code) == (137, "TaskEnded")
    eventually(lambda: not any(is_running(pid) for pid in pids.read_text().split()))


def is_running(pid: str) -> bool:
    from pathlib import Path  # noqa: PLC0415

    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_task_over_its_time_is_killed(client: BatchClient, job: str) -> None:
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=0.2))
    info = run(client, job, "sleep 60", constraints=limit).execution_info
    assert (info.exit_code, info.result, info.failure_info.code) == (137, "failure", "TaskEnded")


def test_slots_say_how_many_tasks_run_beside_each_other(
    plain: Emulator, client: BatchClient
) -> None:
    add_pool(plain, client, taskSlotsPerNode=4)
    info = models.BatchPoolInfo(pool_id="pool")
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=info))
    client.create_tasks(
        "job",
        [
            models.BatchTaskCreateOptions(id=f"t{i}", command_line="sleep 60", required_slots=2)
            for i in range(3)
        ],
    )
    eventually(lambda: client.get_job_task_counts("job").task_counts.running == 2)
    counts = client.get_job_task_counts("job")
    assert (counts.task_counts.active, counts.task_slot_counts.running) == (1, 4)
    (node,) = client.list_nodes("pool")
    assert (node.running_tasks_count, node.running_task_slots_count) == (2, 4)


def test_files_are_listed_and_read_in_parts(client: BatchClient, job: str) -> None:
    run(client, job, shell("mkdir 'a b'; printf 0123456789 > 'a b/ü.txt'"))
    names = {f.name: f.is_directory for f in client.list_task_files(job, "task", recursive=True)}
    assert names == {
        "stderr.txt": False,
        "stdout.txt": False,
        "wd": True,
        "wd/a b": True,
        "wd/a b/ü.txt": False,
    }
    assert b"".join(
        client.download_task_file(job, "task", "wd/a b/ü.txt", ocp_range="bytes=2-4")
    ) == b"234"  # fmt: skip
    found = client.get_task_file_properties(job, "task", "wd/a b/ü.txt")
    assert (found.content_length, found.is_directory) == (10, False)
    for path in ("wd/none", "../../../../../../../../../../etc/passwd"):
        with pytest.raises(HttpResponseError) as caught:
            client.get_task_file_properties(job, "task", path)
        assert caught.value.status_code == 404
