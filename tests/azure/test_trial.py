"""Arguments of the user's own are tried on this machine before anything is uploaded."""

from pathlib import Path

import pytest

from tests.azure.conftest import on_cloud
from tests.cloud import Cloud
from tests.conftest import Run, names
from tests.media import Media


@pytest.fixture
def with_embedded(run: Run, cloud: Cloud) -> Run:
    """The command on a cloud whose nodes have the ffmpeg of this machine, as far as it is told."""
    return on_cloud(run, cloud.with_pool(node_ffmpeg="ffmpeg-00.xz"))


@pytest.mark.parametrize(
    "words",
    [
        ("--to", "mp3", "--", "-map", "0:a:0", "-c:a", "libnope"),
        ("--to", "mp4", "--", "-c:v", "libx264", "-preset", "bogus"),
        ("--to", "opus", "--", "-map", "0:a:0", "-af", "nosuchfilter"),
        ("--to", "mp3", "--input-args", "-r nosuch"),
    ],
    ids=" ".join,
)
def test_what_ffmpeg_refuses_for_every_file_is_refused_before_an_upload(
    with_embedded: Run, cloud: Cloud, media: Media, tmp_path: Path, words: tuple[str, ...]
) -> None:
    media.put("clip.mp4", *(tmp_path / "in" / f"{number}.mp4" for number in range(5)))
    done = with_embedded("convert", "in", *words)
    assert done.exit_code == 2, done.stderr
    assert "every file failed with the same error: " in done.error
    assert cloud.jobs() == {}
    assert cloud.stored("input") == {}
    assert not list(tmp_path.glob("out/*"))


def test_what_suits_some_files_is_left_to_the_nodes(
    with_embedded: Run, cloud: Cloud, media: Media, tmp_path: Path, destination: Path
) -> None:
    # the smaller file has no second track
    media.put("short.wav", tmp_path / "in" / "a.wav")
    media.put("two-tracks.mkv", tmp_path / "in" / "b.mkv")
    done = with_embedded("convert", "in", "--to", "mp3", "--", "-map", "0:a:1")
    assert done.exit_code == 1, done.stderr
    assert names(destination) == {"b.mp3"}
