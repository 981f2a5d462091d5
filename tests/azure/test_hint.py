"""`runner convert` says that this machine would be much faster than Azure, by what is known already."""

import re
from pathlib import Path

from runner.estimate.unopened import guess_contents
from runner.models import Conversion, Source
from tests.azure.conftest import MP3, MakeCloud, on_cloud
from tests.conftest import Run
from tests.media import Media


def test_a_run_that_chose_azure_by_itself_says_what_this_machine_would_take(
    run: Run, make_cloud: MakeCloud, media: Media, tmp_path: Path
) -> None:
    media.put("8-bit.wav", *(tmp_path / "in" / f"{number}.wav" for number in range(3)))
    here = on_cloud(run, make_cloud())
    again = ("convert", "in", "--overwrite", "always")
    assert "hint:" not in here("convert", "in", "--detach").stderr, (
        "nothing is known of this machine"
    )
    assert here(*again, "--where", "local").exit_code == 0
    told = here(*again)
    assert told.exit_code == 0, told.stderr
    (hint,) = [line for line in told.stderr.splitlines() if line.startswith("hint:")]
    # the start of the nodes alone takes minutes, where no run has shown it
    assert re.fullmatch(
        r"hint: this machine \(--where local\) would take about [\d.]+ s rather than 5 m.*", hint
    )
    for words in (("--where", "azure"), ("-q",)):
        assert "hint:" not in here(*again, *words).stderr


def test_files_of_which_no_run_knows_the_kind_are_not_guessed_at(
    run: Run, media: Media, tmp_path: Path
) -> None:
    from runner.ledger import Ledger  # noqa: PLC0415

    media.put("8-bit.wav", tmp_path / "in" / "a.wav")
    run("convert", "in")
    with Ledger.peek(tmp_path / "out") as ledger:
        earlier = ledger.attempts.earlier(MP3)
    (attempt,) = earlier
    assert attempt.source_size
    assert attempt.media_seconds
    size = 10 * attempt.source_size
    sound, film = (Conversion(Source(f"/in/{n}", size, 0), n, MP3) for n in ("b.WAV", "b.mkv"))
    found = guess_contents([sound], earlier)
    assert found is not None
    assert found.seconds == 10 * attempt.media_seconds
    assert guess_contents([sound, film], earlier) is None
