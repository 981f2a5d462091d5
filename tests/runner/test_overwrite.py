"""What is there already: left alone, checked, refused or replaced, as `--overwrite` says."""

import os
import sqlite3
import wave
from pathlib import Path

import pytest

from runner.media.failures import ConversionError
from runner.media.verify import check_existing
from tests.conftest import Run, names, tree
from tests.media import Media
from tests.runner.programs import recipe
from tests.stand_in import MakeStandIn


@pytest.fixture
def source(media: Media, tmp_path: Path) -> Path:
    return media.put("clip.mp3", tmp_path / "in" / "a.mp3")


@pytest.fixture
def target(run: Run, source: Path, destination: Path) -> Path:
    """A result that the ledger knows."""
    assert run("convert", "in", "--to", "wav").exit_code == 0
    return destination / "a.wav"


def ledger(destination: Path) -> Path:
    return destination / ".runner" / "ledger.sqlite"


@pytest.mark.parametrize("overwrite", ["auto", "never", "if-newer"])
def test_what_is_verified_is_left_alone(
    overwrite: str, run: Run, target: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in()
    result = run("convert", "in", "--to", "wav", "--overwrite", overwrite, "--ffmpeg", program.path)
    assert result.exit_code == 0
    assert "1 up to date" in result.stderr
    assert not program.starts


def test_always_converts_again(run: Run, target: Path) -> None:
    before = target.stat().st_ino, target.stat().st_mtime_ns
    result = run("convert", "in", "--to", "wav", "--overwrite", "always")
    assert result.exit_code == 0
    assert "1 converted" in result.stderr
    assert before != (target.stat().st_ino, target.stat().st_mtime_ns)


@pytest.mark.parametrize("overwrite", ["auto", "if-newer"])
def test_a_changed_source_is_converted_again_unless_nothing_may_be_replaced(
    overwrite: str, run: Run, media: Media, source: Path, target: Path
) -> None:
    media.put("talk.mp3", source)
    before = target.read_bytes()
    kept = run("convert", "in", "--to", "wav", "--overwrite", "never")
    assert kept.exit_code == 1
    assert "input: not replaced: it was made from another version" in kept.failures[0]
    assert "--overwrite auto replaces it" in kept.failures[0]
    assert target.read_bytes() == before
    words = ("convert", "in", "--to", "wav", "--overwrite", overwrite)
    assert run(*words, "-n").stdout.startswith("replace     in/a.mp3")
    assert run(*words).exit_code == 0
    assert target.read_bytes() != before
    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr


def test_an_old_result_stays_as_it_is_until_the_new_one_is_verified(
    run: Run, media: Media, source: Path, target: Path, stand_in: MakeStandIn
) -> None:
    before = target.read_bytes()
    media.put("truncated.mp3", source)
    copy = f"open(HERE + '/seen', 'wb').write(open({str(target)!r}, 'rb').read())"
    program = stand_in(copy)
    failed = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert failed.exit_code == 1
    assert target.read_bytes() == (program.path.parent / "seen").read_bytes() == before
    starts = len(program.starts)
    again = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert (again.exit_code, len(program.starts)) == (1, starts), "it is not tried again"
    media.put("talk.mp3", source)
    assert run("convert", "in", "--to", "wav").exit_code == 0
    assert target.read_bytes() != before


@pytest.mark.parametrize("overwrite", ["auto", "if-newer"])
def test_an_old_result_that_somebody_changes_meanwhile_is_not_replaced(
    overwrite: str,
    run: Run,
    media: Media,
    source: Path,
    target: Path,
    stand_in: MakeStandIn,
) -> None:
    media.put("talk.mp3", source)
    program = stand_in(f"append({str(target)!r}, 'mine')")
    words = ("convert", "in", "--to", "wav", "--overwrite", overwrite)
    result = run(*words, "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert "another program changed the result" in result.failures[0]
    assert b"mine" in target.read_bytes()
    later = run(*words)
    assert later.exit_code == 1
    assert "it was changed after it was made; --overwrite always" in later.failures[0]
    assert b"mine" in target.read_bytes()


def test_a_result_that_was_only_found_there_is_not_replaced(
    run: Run, media: Media, source: Path, target: Path, destination: Path
) -> None:
    ledger(destination).unlink()
    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr
    before = target.read_bytes()
    media.put("talk.mp3", source)
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 1
    assert "there is no record that runner made it" in result.failures[0]
    assert target.read_bytes() == before
    assert run("convert", "in", "--to", "wav", "--overwrite", "always").exit_code == 0


def test_a_result_that_was_only_touched_is_still_ours(
    run: Run, media: Media, source: Path, target: Path
) -> None:
    os.utime(target)
    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr
    media.put("talk.mp3", source)
    assert "1 converted" in run("convert", "in", "--to", "wav").stderr


def test_other_settings_are_another_result(run: Run, source: Path, destination: Path) -> None:
    assert run("convert", "in", "--to", "podcast", "-o", "p").exit_code == 0
    assert run("convert", "in", "-o", "p", "--overwrite", "never").exit_code == 1
    assert "1 converted" in run("convert", "in", "-o", "p").stderr
    assert "1 up to date" in run("convert", "in", "-o", "p", "--overwrite", "never").stderr


def test_how_it_is_verified_makes_no_other_result(run: Run, target: Path) -> None:
    result = run("convert", "in", "--to", "wav", "--verify", "decode")
    assert "1 up to date" in result.stderr


def test_a_source_that_moved_is_still_the_same(run: Run, source: Path, target: Path) -> None:
    (source.parent.parent / "in").rename(source.parent.parent / "elsewhere")
    result = run("convert", "elsewhere", "--to", "wav")
    assert "1 up to date" in result.stderr


def test_a_foreign_file_of_that_name_is_kept_and_reported(
    run: Run, media: Media, source: Path, destination: Path
) -> None:
    foreign = media.put("talk.wav", destination / "a.wav")
    for mode in ("auto", "never", "if-newer"):
        os.utime(foreign, ns=(2_000_000_000_000_000_000,) * 2)
        result = run("convert", "in", "--to", "wav", "--overwrite", mode)
        assert result.exit_code == 1
        assert (
            "not replaced: the file there is not this conversion (8.0 s instead of 2.0 s)"
            in (result.failures[0])
        )
        assert "--overwrite always replaces it" in result.failures[0]
    assert foreign.read_bytes() == media("talk.wav").read_bytes()
    assert run("convert", "in", "--to", "wav", "--overwrite", "always").exit_code == 0


@pytest.mark.parametrize(
    "name",
    ["empty.mp4", "text.mp4", "cover.jpg", "truncated.wav", "truncated.mp4", "truncated.mp3"],
)
def test_what_is_no_such_result_is_not_taken_for_one(
    name: str, run: Run, media: Media, source: Path, destination: Path
) -> None:
    foreign = media.put(name, destination / "a.wav")
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 1
    assert "not replaced" in result.failures[0]
    assert foreign.read_bytes() == media(name).read_bytes()


@pytest.mark.parametrize(
    ("seconds", "why"),
    [(2.24, ""), (2.27, "2.3 s instead of 2.0 s"), (1.76, ""), (1.7, "1.7 s instead of 2.0 s")],
)
def test_a_result_unknown_to_the_ledger_may_differ_slightly_in_length(
    seconds: float, why: str, media: Media, tmp_path: Path
) -> None:
    for name, length in (("source", 2.0), ("result", seconds)):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 48_000, 0, "NONE", ""))
            file.writeframes(bytes(2 * round(48_000 * length)))

    def check() -> None:
        files = str(tmp_path / "source"), str(tmp_path / "result")
        check_existing(media.ffmpeg, *files, recipe("wav"))

    if not why:
        check()
        return
    with pytest.raises(ConversionError, match=why):
        check()


def test_an_older_foreign_file_is_replaced_if_newer(
    run: Run, media: Media, source: Path, destination: Path
) -> None:
    foreign = media.put("talk.wav", destination / "a.wav")
    os.utime(foreign, ns=(1_000_000_000_000_000_000,) * 2)
    assert run("convert", "in", "--to", "wav", "--overwrite", "if-newer").exit_code == 0
    assert foreign.stat().st_size < media("talk.wav").stat().st_size * 2


def test_a_result_that_was_changed_since_is_checked_again(
    run: Run, media: Media, target: Path
) -> None:
    os.utime(target)
    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr
    media.put("talk.wav", target)
    assert run("convert", "in", "--to", "wav").exit_code == 1


def test_a_result_that_was_deleted_is_made_again(run: Run, target: Path) -> None:
    target.unlink()
    assert "1 converted" in run("convert", "in", "--to", "wav").stderr
    assert target.exists()


def test_a_folder_with_the_results_name_is_reported(
    run: Run, source: Path, destination: Path
) -> None:
    (destination / "a.wav").mkdir(parents=True)
    for mode in ("never", "always"):
        result = run("convert", "in", "--to", "wav", "--overwrite", mode)
        assert result.exit_code == 1
        assert "input: a folder has the name of its result" in result.failures[0]
    assert (destination / "a.wav").is_dir()


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    run: Run, source: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in(f"append({str(destination / 'a.wav')!r}, 'mine')")
    result = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert "not replaced: another program created the result" in result.failures[0]
    assert (destination / "a.wav").read_text() == "mine\n"


def test_a_file_in_the_place_of_a_folder_is_reported(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.put("clip.mp3", tmp_path / "in" / "sub" / "a.mp3", tmp_path / "in" / "b.mp3")
    destination.mkdir()
    (destination / "sub").write_text("a file")
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 1
    assert "there is a file where its folder should be" in result.failures[0]
    assert names(destination) == {"b.wav", "sub"}


def test_converting_beside_the_sources_leaves_them_alone(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp4", tmp_path / "in" / "a.mp4")
    before = tree(tmp_path / "in")
    assert run("convert", "in", "-o", "in").exit_code == 0
    after = tree(tmp_path / "in")
    assert set(after) == {"a.mp4", "a.mp3"}
    assert after["a.mp4"] == before["a.mp4"]


def test_the_default_destination_inside_the_source_is_not_a_source(
    run: Run, media: Media, tmp_path: Path
) -> None:
    media.put("clip.mp4", tmp_path / "a.mp4")
    for end in ("1 converted", "1 up to date"):
        result = run("convert", ".")
        assert result.exit_code == 0
        assert end in result.stderr


# ---- dry run


@pytest.mark.parametrize("first", [False, True])
def test_a_dry_run_writes_nothing(
    first: bool, run: Run, source: Path, tmp_path: Path, media: Media
) -> None:
    if first:
        run("convert", "in", "--to", "wav")
        media.put("clip.mp3", tmp_path / "in" / "b.mp3")

    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in tmp_path.rglob("*")
        }

    before = state()
    result = run("convert", "in", "--to", "wav", "--dry-run")
    assert result.exit_code == 0
    assert state() == before
    lines = result.stdout.splitlines()
    assert len(lines) == 1 + first
    assert lines[-1].startswith("convert     in/")
    assert "1 of" in result.stderr
    if first:
        assert lines[0].startswith("up to date  in/a.mp3 -> out/a.wav")


# ---- the ledger may be lost, damaged or from the future


def test_a_deleted_ledger_loses_no_media(
    run: Run, target: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    before = target.read_bytes(), target.stat().st_mtime_ns
    ledger(destination).unlink()
    program = stand_in()
    result = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert "1 up to date" in result.stderr
    assert (target.read_bytes(), target.stat().st_mtime_ns) == before
    # what was checked once is known from then on
    checks = len(program.starts)
    assert "1 up to date" in run("convert", "in", "--to", "wav", "--ffmpeg", program.path).stderr
    assert len(program.starts) == checks


@pytest.mark.parametrize("length", [0, 50, 100, 5000])
def test_a_damaged_ledger_costs_a_check(
    length: int, run: Run, target: Path, destination: Path
) -> None:
    path = ledger(destination)
    whole = path.read_bytes()
    path.write_bytes(b"not a database" * 20 if length == 50 else whole[:length])
    result = run("convert", "in", "--to", "wav")
    assert result.exit_code == 0
    assert "1 up to date" in result.stderr
    assert "1 up to date" in run("convert", "in", "--to", "wav").stderr


def test_a_ledger_of_a_newer_runner_is_refused_and_kept(
    run: Run, target: Path, destination: Path
) -> None:
    with sqlite3.connect(ledger(destination)) as db:
        db.execute("INSERT INTO written_by VALUES ('9.8.7')")
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = ledger(destination).read_bytes()
    for command in (("convert", "in", "--to", "wav"), ("runs",), ("status",)):
        result = run(*command)
        assert result.exit_code == 4
        assert "was written by a newer runner" in result.error
        assert "it needs 9.8.7 or later (the ledger's format is 99" in result.error
    assert ledger(destination).read_bytes() == before
