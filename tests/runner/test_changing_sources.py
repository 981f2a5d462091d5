"""A source that is written to while it is read is that file's failure, and no other's."""

import os
from pathlib import Path

import pytest

from tests.conftest import Run, names
from tests.media import Media
from tests.stand_in import MakeStandIn

CHANGES = {
    "grows": "open(source, 'ab').write(data)",
    "shrinks": "open(source, 'wb').write(data[:1000])",
    "is written anew": "open(source + '.new', 'wb').write(data); os.replace(source + '.new', source)",
    "is cut and damaged": "open(source, 'wb').write(b'nonsense')",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_source_that_changes_is_no_result(
    change: str,
    run: Run,
    media: Media,
    tmp_path: Path,
    destination: Path,
    stand_in: MakeStandIn,
) -> None:
    for name in ("a.mp3", "changing.mp3", "z.mp3"):
        os.utime(media.put("clip.mp3", tmp_path / "in" / name), (1e9, 1e9))
    source = tmp_path / "in" / "changing.mp3"
    program = stand_in(
        f"source = {str(source)!r}\n"
        "if 'changing.mp3' in WORDS:\n"
        "    data = open(source, 'rb').read()\n"
        f"    {CHANGES[change]}"
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
    run: Run, media: Media, tmp_path: Path, stand_in: MakeStandIn
) -> None:
    source = media.put("clip.mp3", tmp_path / "in" / "a.mp3")
    program = stand_in(f"os.unlink({str(source)!r})")
    result = run("convert", "in", "--to", "wav", "--ffmpeg", program.path)
    assert "input: the file is gone" in result.failures[0]
