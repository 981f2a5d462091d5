"""What the sound of a source is like, the result's is like: its rate, its depth, its track."""

import json
import re
import shlex
from pathlib import Path

import pytest

from runner.media.choices import left_out, resolve_recipe
from runner.media.failures import Kind
from runner.media.inputs import InputArgumentsError, check_input_arguments
from runner.media.languages import same_language
from runner.media.probe import parse_log
from runner.media.recipe import Recipe
from runner.media.strict import UnreadableError
from runner.presets import BUILT_IN
from tests.conftest import Run
from tests.media import SECOND_TONE, TONE, Media
from tests.runner.programs import converted, every_ffmpeg, failure_of, recipe, work
from tests.runner.test_presets import look, samples, tone, tone_of
from tests.runner.wav import read_wav
from tests.stand_in import MakeStandIn


def own(encoder: str, suffix: str, **details: object) -> Recipe:
    """The recipe of a user's own preset."""
    arguments = ("-map", "0:{audio}", *shlex.split(encoder))
    return Recipe(suffix=suffix, arguments=arguments, **details)  # type: ignore[arg-type] # passed on


@pytest.fixture
def overlapping(media: Media, tmp_path: Path) -> Path:
    """Three seconds of sound, of which the last frame but two has a time 8 ms late."""
    path, frames = tmp_path / "a.mka", tmp_path / "frames.nut"
    words = "-f lavfi -i sine=f=400:r=16000:d=3 -af asetnsamples=n=256:p=0 -c:a pcm_s16le"
    media.run(*words.split(), str(frames))
    media.run("-i", str(frames), *shlex.split(r"-c copy -bsf:a 'setts=ts=TS+128*eq(N\,185)'"),
              str(path))  # fmt: skip
    return path


@pytest.mark.parametrize("preset", ["opus", "ogg", "m4a", "mp3"])
def test_time_stamps_that_overlap_cost_no_sound(
    preset: str, overlapping: Path, media: Media, destination: Path
) -> None:
    target = destination / f"a{BUILT_IN[preset].suffix}"
    converted(work(overlapping, target, how=recipe(preset)))
    assert len(samples(media, target)) == pytest.approx(3 * 8000, abs=800)


def test_own_arguments_whose_result_would_lack_audio_are_reported(
    overlapping: Path, destination: Path
) -> None:
    words = ("-map", "0:a:0", "-c:a", "libopus")
    how = Recipe(suffix=".opus", arguments=words, is_preset=False)
    failure = failure_of(work(overlapping, destination / "a.opus", how=how))
    assert failure.kind is Kind.INPUT
    assert failure.message == (
        "the result would lack 1.0 s of sound, because the source's time stamps overlap; "
        "try the filter aresample=async=1"
    )


# ---- loudness


@pytest.mark.parametrize(
    ("source", "encoder", "suffix", "sound"),
    [
        ("16-bit.wav", "-c:a flac", ".flac", "flac, 22050 Hz, mono, s16"),
        ("8-bit.wav", "-c:a flac", ".flac", "flac, 8000 Hz, mono, s16"),
        ("24-bit.wav", "-c:a flac", ".flac", "flac, 96000 Hz, mono, s32 (24 bit)"),
        ("clip.mp3", "-c:a flac", ".flac", "flac, 22050 Hz, stereo, s32 (24 bit)"),
        ("16-bit.wav", "-c:a alac", ".m4a", "22050 Hz, mono, s16p"),
        ("16-bit.wav", "-c:a aac", ".m4a", "22050 Hz, mono, fltp"),
        ("24-bit.wav", "-c:a libmp3lame", ".mp3", "48000 Hz, mono, fltp"),
        ("24-bit.wav", "-c:a flac -ar 32000", ".flac", "flac, 32000 Hz, mono, s32 (24 bit)"),
        ("24-bit.wav", "-c:a:0 flac -sample_fmt s16", ".flac", "flac, 96000 Hz, mono, s16"),
        ("16-bit.wav", "-c:a flac -sample_fmt s32", ".flac", "22050 Hz, mono, s32 (24 bit)"),
    ],
)
@every_ffmpeg
def test_a_change_of_loudness_leaves_rate_and_depth_alone(
    source: str,
    encoder: str,
    suffix: str,
    sound: str,
    ffmpeg: str,
    media: Media,
    destination: Path,
) -> None:
    target = destination / f"a{suffix}"
    how = own(encoder, suffix, loudness=-16.0)
    converted(work(media(source), target, how=how, ffmpeg=ffmpeg))
    assert sound in look(media, target)


# ---- mono


@pytest.mark.parametrize(
    "how",
    [
        recipe("podcast"),
        own("-c:a libmp3lame -ac 1", ".mp3"),
        own("-c:a flac", ".flac", audio_filter="aformat=channel_layouts=mono"),
        BUILT_IN["mp3"].recipe(arguments=("-c:a", "libmp3lame", "-ac", "1")),
    ],
    ids=["podcast", "-ac 1", "a filter", "the user's words"],
)
@every_ffmpeg
def test_channels_that_cancel_each_other_out_do_not_become_silence(
    how: Recipe, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / f"a{how.suffix}"
    made = converted(work(media("opposite.flac"), target, how=how, ffmpeg=ffmpeg))
    assert "Hz, mono" in look(media, target)
    wave = samples(media, target)
    assert tone_of(wave) == pytest.approx(TONE, rel=0.02)
    assert max(wave) > 3000
    assert made.notices == (
        "mixed to mono, its two channels cancel each other out, so only the first one was used",
    )


@pytest.mark.parametrize(
    ("source", "how"),
    [
        (
            "opposite.flac",
            BUILT_IN["mp3"].recipe(arguments=("-c:a", "libmp3lame", "-ac", "1", "-af", "volume=2")),
        ),
        ("bass-alone.flac", recipe("podcast")),
    ],
    ids=["the user's own filter", "more than two channels"],
)
def test_where_no_channel_is_the_obvious_one_silence_is_refused(
    source: str, how: Recipe, media: Media, destination: Path
) -> None:
    failure = failure_of(work(media(source), destination / "a.mp3", how=how))
    assert failure.kind is Kind.INPUT
    assert "cancel each other out; use only one of them: -- ... -af" in failure.message


@pytest.mark.parametrize("source", ["clip.flac", "silent.mp4", "16-bit.wav", "surround.flac"])
@pytest.mark.parametrize("preset", ["podcast", "speech"])
def test_other_sound_is_mixed_as_ever(
    source: str, preset: str, media: Media, destination: Path
) -> None:
    how = recipe("podcast") if preset == "podcast" else own("-c:a libmp3lame -ac 1", ".mp3")
    made = converted(work(media(source), destination / "a.mp3", how=how))
    assert not any("mixed to mono" in notice for notice in made.notices)


# ---- depth


# of other sources, see test_oddities.py
@pytest.mark.parametrize(
    ("source", "codec"),
    [
        ("24-bit.wav", "pcm_s24le"),
        ("24-bit.m4a", "pcm_s24le"),
        ("32-bit.wav", "pcm_s32le"),
        ("64-bit.wav", "pcm_f64le"),
        ("float.wv", "pcm_f32le"),
    ],
)
@every_ffmpeg
def test_wav_keeps_the_depth_of_lossless_sound(
    source: str, codec: str, ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.wav"
    converted(work(media(source), target, how=recipe("wav"), ffmpeg=ffmpeg))
    assert read_wav(target).codec == codec


# ---- which track


@pytest.mark.parametrize(
    ("preset", "source", "choice", "frequency"),
    [
        ("wav", "two-tracks.mkv", {}, SECOND_TONE),
        ("wav", "two-tracks.mp4", {}, SECOND_TONE),
        ("wav", "languages.mkv", {}, TONE),
        ("wav", "two-tracks.mkv", {"audio_stream": 0}, TONE),
        ("wav", "languages.mkv", {"audio_stream": 1}, SECOND_TONE),
        ("wav", "languages.mkv", {"audio_language": "ger"}, SECOND_TONE),
        ("wav", "languages.mkv", {"audio_language": "de"}, SECOND_TONE),
        ("wav", "languages.mkv", {"audio_language": "deu"}, SECOND_TONE),
        ("wav", "languages.mkv", {"audio_language": "ja-JP"}, TONE),
        ("wav", "languages.mkv", {"audio_language": "ja", "audio_stream": 1}, SECOND_TONE),
        ("wav", "two-tracks.mkv", {"audio_language": "eng"}, SECOND_TONE),
        ("wav", "clip.mp3", {"audio_language": "eng"}, TONE),
        # which reads its source twice
        ("podcast", "two-tracks.mkv", {}, SECOND_TONE),
        ("podcast", "languages.mkv", {"audio_stream": 1}, SECOND_TONE),
        ("podcast", "languages.mkv", {"audio_language": "ger"}, SECOND_TONE),
    ],
)
def test_the_track_is_the_one_that_players_take_unless_another_is_asked_for(
    preset: str,
    source: str,
    choice: dict[str, object],
    frequency: int,
    media: Media,
    destination: Path,
) -> None:
    how = recipe(preset, **choice)
    target = destination / f"a{how.suffix}"
    converted(work(media(source), target, how=how))
    assert tone(media, target) == pytest.approx(frequency, rel=0.02)


@every_ffmpeg
def test_the_default_track_is_seen_by_every_ffmpeg(
    ffmpeg: str, media: Media, destination: Path
) -> None:
    target = destination / "a.mp3"
    made = converted(work(media("two-tracks.mkv"), target, ffmpeg=ffmpeg))
    assert tone(media, target) == pytest.approx(SECOND_TONE, rel=0.02)
    assert made.notices == (
        "audio track 1 was used; --audio-stream N selects another one: 0 (Stereo)",
    )


def test_the_other_tracks_are_named(media: Media, destination: Path) -> None:
    made = converted(work(media("languages.mkv"), destination / "a.mp3"))
    (notice,) = made.notices
    assert notice == (
        "audio track 0 (jpn) was used; --audio-stream N selects another one: 1 (ger, Kommentar)"
    )
    for choice in ({"audio_stream": 1}, {"audio_language": "ger"}):
        made = converted(work(media("languages.mkv"), destination / "b.mp3", how=recipe(**choice)))
        assert made.notices == ()


def test_of_very_many_tracks_some_are_named_and_in_short() -> None:
    lines = [
        f"  Stream #0:{n}: Audio: aac, 44100 Hz, stereo\n    title : {'x' * 999}\n"
        for n in range(99)
    ]
    info = parse_log("Input #0, mov, from 'x':\n" + "".join(lines))
    notice = left_out(resolve_recipe(recipe(), info), info)
    assert notice.startswith("audio track 0 (xxx")
    assert notice.endswith("…) or 93 more")
    assert len(notice) < 500


def test_a_missing_language_is_reported_with_the_existing_ones(
    media: Media, destination: Path
) -> None:
    how = recipe(audio_language="en")
    failure = failure_of(work(media("languages.mkv"), destination / "a.mp3", how=how))
    assert failure.kind is Kind.INPUT
    assert failure.message == "no audio stream in the language 'en', but in: jpn, ger"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ger", "de", True),
        ("deu", "ger", True),
        ("EN", "eng", True),
        ("pt-BR", "por", True),
        ("zh_Hant", "chi", True),
        ("fra", "fre", True),
        ("nob", "no", True),
        ("tlh", "tlh", True),
        ("tlh", "eng", False),
        ("", "eng", False),
        ("und", "", False),
    ],
)
def test_a_language_has_several_names(one: str, other: str, same: bool) -> None:
    assert same_language(one, other) is same
    assert same_language(other, one) is same


def test_a_plain_source_costs_one_ffmpeg(
    media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in()
    for name in ("clip.mp4", "clip.mkv", "languages.mkv"):
        converted(work(media(name), destination / f"{name}.mp3", ffmpeg=str(program.path)))
    assert len(program.starts) == 3


@pytest.mark.parametrize(
    "how",
    [
        BUILT_IN["wav"].recipe(arguments=("-map", "0:a:0", "-c:a", "pcm_s16le")),
        Recipe(suffix=".wav", arguments=("-map", "0:a:0", "-c:a", "pcm_s16le")),
    ],
    ids=["the user's words", "an own preset"],
)
def test_words_that_name_a_stream_are_taken_as_they_are(
    how: Recipe, media: Media, destination: Path, stand_in: MakeStandIn
) -> None:
    program = stand_in()
    one = work(media("two-tracks.mkv"), destination / "a.wav", how=how, ffmpeg=str(program.path))
    assert converted(one).notices == ()
    assert len(program.starts) == 1
    assert tone(media, destination / "a.wav") == pytest.approx(TONE, rel=0.02)


# ---- what stands before -i


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.pcm", "-i @clip.wav -f s16le -ar 22050 -ac 1", "-f s16le -ar 22050 -ac 1"),
        ("a b.mkv", "-i @clip.mkv -map 0 -c copy", "-hwaccel auto -itsoffset 0.5 -vn"),
    ],
)
def test_input_options_say_how_the_source_is_read(
    name: str, make: str, words: str, run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.run(
        *(str(media(w[1:])) if w[0] == "@" else w for w in shlex.split(make)), str(tmp_path / name)
    )
    done = run("convert", name, "--to", "flac", "--input-args", words)
    assert done.exit_code == 0, done.stderr
    result = destination / Path(name).with_suffix(".flac")
    assert tone(media, result) == pytest.approx(TONE, rel=0.02)
    # the same command again has nothing to do; with other words it has
    assert "1 up to date" in run("convert", name, "--to", "flac", "--input-args", words).stderr
    assert run("convert", name, "--to", "flac", "--overwrite", "never").exit_code == 1


@every_ffmpeg
@pytest.mark.parametrize("words", ["-hwaccel bogus", "-r nosuch", "-c:v nope", "-f wav", "-ss x"])
def test_input_options_that_keep_a_file_from_being_opened_do_not_count_as_damage(
    ffmpeg: str, words: str, media: Media, destination: Path
) -> None:
    how = recipe("mp3", input_arguments=tuple(words.split()))
    failure = failure_of(work(media("clip.mp4"), destination / "a.mp3", how=how, ffmpeg=ffmpeg))
    assert failure.kind is Kind.SETTINGS, failure.message


@pytest.mark.parametrize("words", ["-ss 0.5", "-ss 0:00:00.5"])
def test_a_cut_is_seen_where_a_beginning_is_skipped(
    words: str, media: Media, destination: Path
) -> None:
    how = recipe("mp3", input_arguments=tuple(words.split()))
    converted(work(media("clip.mp4"), destination / "a.mp3", how=how))
    cut = failure_of(work(media("truncated.mp4"), destination / "b.mp3", how=how))
    assert "the file ends early" in cut.message


def test_a_cut_between_key_frames_is_no_joined_file_and_is_converted_once(
    media: Media, tmp_path: Path, destination: Path, stand_in: MakeStandIn
) -> None:
    film, picture = tmp_path / "film.mp4", "testsrc2=s=64x48:r=10:d=20"
    media.run("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=d=20", str(film))
    program = stand_in("")
    how = recipe("mp3", input_arguments=("-ss", "9", "-t", "3"))
    converted(work(film, destination / "a.mp3", how=how, ffmpeg=str(program.path)))
    assert len([start for start in program.starts if "libmp3lame" in start]) == 1


def test_a_file_that_does_not_open_anyway_is_at_fault_with_input_options_too(
    media: Media, destination: Path
) -> None:
    how = recipe("mp3", input_arguments=("-f", "mp3"))
    failure = failure_of(work(media("text.mp4"), destination / "a.mp3", how=how))
    assert failure.kind is Kind.INPUT


def test_a_raw_picture_becomes_a_film(
    run: Run, media: Media, tmp_path: Path, destination: Path
) -> None:
    media.run("-i", str(media("clip.mp4")), "-an", "-f", "rawvideo", str(tmp_path / "a.yuv"))
    words = "-f rawvideo -video_size 64x48 -pixel_format yuv420p -framerate 10"
    assert run("convert", "a.yuv", "--to", "mp4", "--input-args", words).exit_code == 0
    assert re.search(r"Video: h264.*64x48.* 10 fps", look(media, destination / "a.mp4"))


@pytest.mark.parametrize(
    ("words", "length"),
    [("-ss 1.5", 0.5), ("-t 0.5", 0.5), ("-to 0.5", 0.5), ("-sseof -0.5", 0.5)],
)
def test_a_part_is_no_file_that_ends_early(
    words: str, length: float, media: Media, destination: Path
) -> None:
    how = recipe("wav", input_arguments=tuple(words.split()))
    assert not how.keeps_length
    made = converted(work(media("clip.mp4"), destination / "a.wav", how=how))
    seen = parse_log(look(media, destination / "a.wav"))
    assert seen
    assert seen.duration == pytest.approx(length, abs=0.1)
    assert made.media_seconds == pytest.approx(length, abs=0.1), "the length that is shown"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("-i /etc/passwd", "'-i' is not allowed: the source is given as SRC"),
        ("other.mp4", "'other.mp4' is not an option"),
        ("-ss 5 other.mp4", "'other.mp4' is not an option"),
        ("-f concat", "'-f concat' is not allowed"),
        ("-f lavfi", "'-f lavfi' is not allowed"),
        ("-f hls", "'-f hls' is not allowed"),
        ("-f:v image2", "'-f image2' is not allowed"),
        ("-protocol_whitelist file,http", "'-protocol_whitelist' is not one of"),
        ("-filter_complex_script x", "'-filter_complex_script' is not one of"),
        ("-/filter x", "'-/filter' is not one of"),
        ("-dump_attachment:t out", "'-dump_attachment:t' is not one of"),
        ("-report", "'-report' is not one of"),
        ("-progress /tmp/x", "'-progress' is not one of"),
        ("-y", "'-y' is not one of"),
        ("-ss", "'-ss' needs a value after it"),
        ("-ss '5", "No closing quotation"),
    ],
)
def test_input_options_cannot_name_other_files(words: str, reason: str, run: Run) -> None:
    result = run("convert", "a.mp4", "--input-args", words)
    assert result.exit_code == 2
    assert result.error.startswith(f"--input-args: {reason}")


def test_allowed_options_are_accepted_unchanged() -> None:
    check_input_arguments(tuple(shlex.split("-c:v h264 -ss:0 5 -noautorotate -itsoffset -1")))
    with pytest.raises(InputArgumentsError):
        check_input_arguments(("-noautorotate", "5"))


def test_input_options_travel_in_the_recipe_and_are_part_of_it() -> None:
    how = recipe(input_arguments=("-ss", "5"))
    assert Recipe.from_json(how.as_json()) == how
    assert how.fingerprint != recipe().fingerprint
    assert resolve_recipe(how).input_arguments == ("-ss", "5")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"subtitles": "burn"}, "subtitles or deinterlace: unknown"),
        ({"deinterlace": "yes"}, "subtitles or deinterlace: unknown"),
        ({"film": True, "suffix": ".avi"}, "suffix: not one of a film"),
        ({"audio_stream": -1}, "audio_stream: out of range"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_none(changes: dict[str, object], why: str) -> None:
    facts = json.loads(recipe().as_json()) | changes
    with pytest.raises(UnreadableError, match=why):
        Recipe.from_json(json.dumps(facts))
