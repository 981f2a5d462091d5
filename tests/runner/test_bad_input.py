"""A bad file costs one line with its kind, leaves nothing behind and stops nobody else."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from runner.media.failures import Kind
from tests.conftest import Run, is_root, names, posix_only
from tests.media import Media
from tests.runner.programs import every_ffmpeg, failure_of, recipe, work

BAD = {
    "empty.mp4": "the file is empty",
    "text.mp4": "not a whole media file: moov atom not found",
    "random.mp4": "not a whole media file: moov atom not found",
    "truncated.mp4": "the file ends early: 0.9 s of 2.0 s are there",
    "no-moov.mp4": "not a whole media file: moov atom not found",
    "no-audio.mp4": "no audio stream",
    "zero-length-audio.mp4": "no audio stream",
    "empty-audio.wav": "no sound in it could be decoded",
    "corrupt.mp4": "damaged",
}
DAMAGED = (
    "truncated.mp4",
    "truncated.mkv",
    "truncated.wav",
    "truncated.flac",
    "truncated.mp3",
    "truncated.ogg",
    "corrupt.mp4",
    # where ffmpeg itself sees nothing wrong, or not every version does
    "hole.mkv",
    "hole.webm",
    "hole.ogg",
    "hole.opus",
    "hole.ts",
    "hole.flac",
    "hole.avi",
    "hole.mp3",
)


@pytest.mark.parametrize(("name", "reason"), BAD.items(), ids=BAD)
@every_ffmpeg
def test_a_bad_file_is_named_as_such(
    name: str, reason: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    failure = failure_of(work(media(name), destination / "a.mp3", ffmpeg=ffmpeg))
    assert failure.kind is Kind.INPUT
    assert failure.message.startswith(reason)
    assert "\n" not in failure.message


@pytest.mark.parametrize("name", DAMAGED)
@every_ffmpeg
def test_a_damaged_file_is_not_passed(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    # to WAV, see test_damage.py: what is lost is seen where the source is decoded
    failure = failure_of(work(media(name), destination / "a", ffmpeg=ffmpeg))
    assert failure.kind is Kind.INPUT
    assert "damaged" in failure.message or "ends early" in failure.message


@pytest.mark.parametrize(
    ("name", "level"), [("truncated.flac", "quiet"), ("truncated.wav", "error")]
)
@every_ffmpeg
def test_damage_is_seen_whatever_ffmpeg_was_told_to_say(
    name: str, level: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    how = recipe(arguments=("-c:a", "libmp3lame", "-loglevel", level))
    failure = failure_of(work(media(name), destination / "a.mp3", how=how, ffmpeg=ffmpeg))
    assert failure.kind is Kind.INPUT
    assert "damaged" in failure.message or "ends early" in failure.message


@pytest.mark.parametrize("name", ["hole.mkv", "truncated.mp4", "corrupt.mp4"])
@every_ffmpeg
def test_a_damaged_film_is_not_passed(
    name: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    failure = failure_of(work(media(name), destination / "a", how=recipe("mp4"), ffmpeg=ffmpeg))
    assert failure.kind is Kind.INPUT


@pytest.mark.parametrize("preset", ["mp4", "webm", "thumbnail"])
@every_ffmpeg
def test_sound_alone_makes_no_film(
    preset: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    failure = failure_of(
        work(media("cover.m4a"), destination / "a", how=recipe(preset), ffmpeg=ffmpeg)
    )
    assert (failure.kind, failure.message) == (Kind.INPUT, "no video stream")


def test_bad_files_stop_nobody_else_and_leave_nothing(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    for name in BAD:
        media.put(name, tmp_path / "in" / name)
    media.put("clip.mp4", tmp_path / "in" / "a good one.mp4", tmp_path / "in" / "zz.mp4")
    result = run("convert", "in", "-j2")
    assert result.exit_code == 1
    assert names(destination) == {"a good one.mp3", "zz.mp3"}
    assert not list((destination / ".runner").glob("tmp*"))
    for name, reason in BAD.items():
        (line,) = (line for line in result.failures if f"in/{name} " in line)
        assert f"input: {reason}" in line
    assert len(result.failures) == len(BAD)
    assert f"{len(BAD) + 2} files: 2 converted, {len(BAD)} failed" in result.stderr


@posix_only
def test_something_that_is_not_a_file_is_reported_as_such(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    folder = tmp_path / "in"
    media.put("clip.mp3", folder / "good.mp3")
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "dangling.mp4").symlink_to("nowhere.mp4")
    (folder / "circle.mp4").symlink_to("circle.mp4")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.mp4"))
        result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 1
    assert names(destination) == {"good.wav"}
    said = {line.split("in/")[1].split("  ")[0]: line.split("  ")[1] for line in result.failures}
    assert said == {
        "folder.mp4": "input: not a file but a folder",
        "pipe.mp4": "input: not a file but a FIFO",
        "dangling.mp4": "input: a broken link",
        "circle.mp4": "input: a link that leads to itself",
        "socket.mp4": "input: not a file but a socket",
    }


def test_a_device_is_no_file(run: Run) -> None:
    # Windows can have no result of that name
    result = run("convert", os.devnull, "--name", "x{stem}{ext}")
    assert result.exit_code == 1
    assert "input: not a file but a device" in result.failures[0]


@posix_only
def test_a_pipe_beside_a_finished_result_does_not_hang(
    run: Run, media: Media, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    media.put("clip.mp3", tmp_path / "out" / "pipe.mp3")
    result = run("convert", "pipe.mp4")
    assert result.exit_code == 1
    assert "not a file but a FIFO" in result.failures[0]


def _without_root(command: str) -> tuple[str, ...]:
    """Words ahead of a command that take root's right to open every file away."""
    if not is_root():
        return ()
    prefix = (command, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    if not shutil.which(command) or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("root reads everything, and there is no setpriv to take that right away")
    return prefix


has_modes = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes, but access lists")


@has_modes
def test_a_file_that_may_not_be_read_is_named_and_the_others_go_on(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    secret = media.put("clip.mp3", tmp_path / "in" / "good.mp3", tmp_path / "in" / "secret.mp3")
    secret.chmod(0)
    result = run.process("convert", "in", "--to", "wav", prefix=_without_root("setpriv"))
    assert result.exit_code == 1
    assert names(destination) == {"good.wav"}
    assert "in/secret.mp3  input: not readable: permission denied" in result.failures[0]


@has_modes
def test_a_folder_that_may_not_be_read_is_named_and_the_others_go_on(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "good.mp3")
    secret = tmp_path / "in" / "secret"
    media.put("clip.mp3", secret / "a.mp3")
    secret.chmod(0)
    result = run.process("convert", "in", "--to", "wav", prefix=_without_root("setpriv"))
    secret.chmod(0o700)
    assert result.exit_code == 1
    assert names(destination) == {"good.wav"}
    assert "in/secret  input: the folder cannot be opened: permission denied" in result.failures[0]


@has_modes
def test_a_destination_that_may_not_be_written_ends_the_run(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp3", tmp_path / "a.mp3")
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run.process("convert", "a.mp3", "-o", "locked/out", prefix=_without_root("setpriv"))
    assert result.exit_code == 4
    assert result.error.startswith("cannot write to the destination locked/out: ")
    assert "choose another with -o" in result.error


@has_modes
def test_a_ledger_that_may_not_be_written_ends_the_run(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    prefix = _without_root("setpriv")
    media.put("clip.mp3", tmp_path / "a.mp3")
    assert run("convert", "a.mp3", "--to", "wav").exit_code == 0
    inside = destination / ".runner"
    for path in inside.iterdir():
        path.chmod(0o400)
    inside.chmod(0o500)
    result = run.process("convert", "a.mp3", "--to", "opus", prefix=prefix)
    inside.chmod(0o700)
    assert result.exit_code == 4
    assert result.error.startswith("cannot write")


def test_a_file_that_vanishes_before_its_turn_is_named(
    run: Run, media: Media, tmp_path: Path, destination: Path, stand_in: object
) -> None:
    assert callable(stand_in)
    long = media.put("clip.wav", tmp_path / "in" / "first.wav")
    victim = media.put("clip.mp3", tmp_path / "in" / "second.mp3")
    os.utime(long)
    program = stand_in(
        f"from contextlib import suppress\nwith suppress(OSError): os.unlink({str(victim)!r})"
    )
    result = run("convert", "in", "-j1", "--to", "flac", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert names(destination) == {"first.flac"}
    assert "in/second.mp3  input: the file is gone" in result.failures[0]


def test_a_file_that_vanishes_while_it_is_opened_is_named(
    run: Run, media: Media, tmp_path: Path, stand_in: object
) -> None:
    assert callable(stand_in)
    victim = media.put("clip.mp3", tmp_path / "a.mp3")
    program = stand_in(
        f"from contextlib import suppress\nwith suppress(OSError): os.unlink({str(victim)!r})"
    )
    result = run("convert", "a.mp3", "--to", "wav", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert "input: the file is gone" in result.failures[0]


def test_verify_none_takes_what_can_be_had_of_a_damaged_file(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("truncated.mp4", tmp_path / "a.mp4")
    assert run("convert", "a.mp4").exit_code == 1
    assert run("convert", "a.mp4", "--verify", "none").exit_code == 0
    assert names(destination) == {"a.mp3"}


def test_a_file_cannot_talk_the_run_into_stopping_by_its_name(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("text.mp4", tmp_path / "in" / "[error] No space left on device.mp4")
    media.put("clip.mp3", tmp_path / "in" / "small.mp3")
    result = run("convert", "in", "-j1", "--to", "wav")
    assert result.exit_code == 1
    assert names(destination) == {"small.wav"}
