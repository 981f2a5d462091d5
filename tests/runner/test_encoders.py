"""An ffmpeg without an encoder lacks the presets that need it, and those alone."""

from pathlib import Path

import pytest

from runner.encoders import encoders_of
from runner.presets import BUILT_IN
from tests.conftest import Run, names
from tests.media import Media
from tests.stand_in import MakeStandIn


@pytest.fixture
def without(stand_in: MakeStandIn) -> MakeStandIn:
    """Make an ffmpeg of a build that has no such encoder; libsvtav1 is not in Windows' own."""
    return lambda encoder: stand_in(
        "if '-encoders' in WORDS:\n"
        "    import subprocess\n"
        "    done = subprocess.run([REAL, *ARGUMENTS], stdout=subprocess.PIPE)\n"
        "    lines = [*done.stdout.splitlines(keepends=True), b' V....D libsvtav1 SVT-AV1\\n']\n"
        f"    os.write(1, b''.join(line for line in lines if b' {encoder} ' not in line))\n"
        "    sys.exit()"
    )


@pytest.fixture
def folder(media: Media, tmp_path: Path) -> Path:
    media.put("clip.mp4", tmp_path / "in" / "a.mp4")
    return tmp_path / "in"


def test_every_preset_but_that_of_a_picture_names_its_encoders() -> None:
    assert [name for name, preset in BUILT_IN.items() if not encoders_of(preset)] == [
        *("wav", "thumbnail")
    ]
    assert encoders_of(BUILT_IN["webm"]) == ["libvpx-vp9", "libopus"]
    assert encoders_of(BUILT_IN["mp3"]) == ["libmp3lame"]


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ("libsvtav1", "preset av1 is not available with this ffmpeg (no libsvtav1)"),
        ("libopus", "presets opus, webm are not available with this ffmpeg (no libopus)"),
    ],
)
def test_doctor_names_the_presets_that_are_not_available_and_is_content(
    encoder: str, words: str, without: MakeStandIn, run: Run
) -> None:
    result = run("doctor", "--ffmpeg", without(encoder).path)
    assert result.exit_code == 0
    assert f"ok   encoders: {words}\n" in result.stdout


@pytest.mark.parametrize("setting", ['to = "opus"', 'preset = "webm"'])
def test_doctor_is_not_content_without_what_is_usually_wanted(
    setting: str, without: MakeStandIn, run: Run, tmp_path: Path
) -> None:
    (tmp_path / ".runner.toml").write_text(f"[convert]\n{setting}\n")
    result = run("doctor", "--ffmpeg", without("libopus").path)
    assert result.exit_code == 4
    assert "FAIL encoders: presets opus, webm are not available" in result.stdout


@pytest.mark.parametrize("words", [("--to", "av1"), ("--preset", "av1"), ("--to", ".AV1")])
def test_a_preset_that_is_not_available_fails_before_anything_starts(
    words: tuple[str, str],
    without: MakeStandIn,
    run: Run,
    folder: Path,
    destination: Path,
) -> None:
    program = without("libsvtav1")
    result = run("convert", "in", *words, "--ffmpeg", program.path)
    assert result.exit_code == 4
    assert result.error == (
        "preset av1 is not available with this ffmpeg (no libsvtav1): choose another with --ffmpeg"
    )
    assert not destination.exists()
    assert len(program.starts) == 1


def test_an_own_preset_is_looked_at_too(
    without: MakeStandIn, run: Run, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / ".runner.toml").write_text(
        '[presets.small]\nsummary = "x"\nsuffix = ".mkv"\nmedia = "video"\n'
        'arguments = ["-map", "0", "-c:v:0", "libx265", "-codec:a", "copy"]\n'
    )
    result = run("convert", "in", "--preset", "small", "--ffmpeg", without("libx265").path)
    assert result.exit_code == 4
    assert "preset small is not available with this ffmpeg (no libx265)" in result.error


def test_all_other_presets_are_made(
    without: MakeStandIn, run: Run, folder: Path, destination: Path
) -> None:
    assert (
        run("convert", "in", "--to", "opus", "--ffmpeg", without("libsvtav1").path).exit_code == 0
    )
    assert names(destination) == {"a.opus"}


@pytest.mark.parametrize("name", ["ffmpeg.cmd", "ffmpeg.bat", "FFMPEG.BAT"])
@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_batch_file_is_refused_because_it_could_run_names_as_commands(
    name: str, by: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    program = tmp_path / name
    program.write_text("@exit 0\n")
    program.chmod(0o755)
    if by == "option":
        result = run("convert", "in", "--ffmpeg", program)
    else:
        result = run("convert", "in", IMAGEIO_FFMPEG_EXE=str(program))
    assert result.exit_code == 4
    assert f"{name} is a batch file" in result.error
