"""A source that is written to while it is read is that file's failure, and no other's."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run, StandIn, names
from tests.media import Media

CHANGES = {
    "grows": 'cat "$source" >> "$source.more"; cat "$source.more" >> "$source"; rm "$source.more"',
    "shrinks": 'head -c 1000 "$source" > "$source.part"; cat "$source.part" > "$source"',
    "is written anew": 'cp "$source" "$source.new"; mv "$source.new" "$source"; touch "$source"',
    "is cut and damaged": ': > "$source"; printf nonsense > "$source"',
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_is_no_result(
    change: str,
    run: Run,
    media: Media,
    tmp_path: Path,
    destination: Path,
    stand_in: Callable[[str], StandIn],
) -> None:
    for name in ("a.mp3", "changing.mp3", "z.mp3"):
        os.utime(media.put("clip.mp3", tmp_path / "in" / name), (1e9, 1e9))
    source = tmp_path / "in" / "changing.mp3"
    program = stand_in(
        f'source="{source}"; case "$*" in *changing.mp3*) {CHANGES[change]};; esac\n'
        'exec "$real" "$@"'
    )
    result = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert result.exit_code == 1
    assert names(destination) == {"a.wav", "z.wav"}
    (failure,) = result.failures
    assert "changing.mp3  input: the file changed while it was read" in failure
    # once it is left in peace, the same command converts it
    media.put("clip.mp3", source)
    assert run("convert", "in", "--to", "wav").exit_code == 0


def test_a_source_that_goes_is_said_to_be_gone(
    run: Run, media: Media, tmp_path: Path, stand_in: Callable[[str], StandIn]
) -> None:
    source = media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    program = stand_in(f'rm "{source}"; exec "$real" "$@"')
    result = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert "input: the file is gone" in result.failures[0]
