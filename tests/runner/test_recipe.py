"""What a recipe says of its result, and what of it depends on the source: decided without any ffmpeg."""

import json
from dataclasses import replace

import pytest

from runner.media.choices import chosen_audio, is_unresolved, left_out, resolve_recipe
from runner.media.failures import ConversionError
from runner.media.probe import MediaInfo, Stream
from runner.media.recipe import Recipe, encoder, option, with_parameters
from runner.media.strict import UnreadableError

WORDS = (
    "-c:a",
    "flac",
    "-b:a:0",
    "96k",
    "-c:v",
    "libx264",
    "-x264-params",
    "bframes=2",
    "-b:a",
    "1k",
)


def recipe(*arguments: str, **changes: object) -> Recipe:
    return replace(Recipe(suffix=".x", arguments=arguments), **changes)  # type: ignore[arg-type] # by name


def audio(codec: str = "aac", *, language: str = "", bits: int = 0, details: str = "") -> Stream:
    return Stream(0, "audio", codec, language=language, bits=bits, details=details)


def media(*streams: Stream) -> MediaInfo:
    return MediaInfo("matroska,webm", 1.0, streams)


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [("-b", "1k"), ("-c", "libx264"), ("-x264-params", "bframes=2"), ("-q", None)],
)
def test_the_last_value_of_an_option_counts_for_whatever_stream(
    name: str, value: str | None
) -> None:
    assert option(WORDS, name) == value


def test_an_option_without_a_value_has_an_empty_one() -> None:
    assert option(("-shortest",), "-shortest") == ""


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        ("-c:a flac", "a", "flac"),
        ("-acodec flac", "a", "flac"),
        ("-codec copy", "v", "copy"),
        ("-c copy -c:v libx264", "v", "libx264"),
        ("-c copy -c:v libx264", "a", "copy"),
        ("-codec:s srt", "s", "srt"),
        ("-c:v:0 vp9", "v", "vp9"),
        ("-c:a flac", "v", None),
        ("-crf 23", "v", None),
    ],
)
def test_an_encoder_has_many_spellings(words: str, kind: str, name: str | None) -> None:
    assert encoder(tuple(words.split()), kind) == name


def test_parameters_of_an_encoder_are_added_to_those_that_are_given() -> None:
    how = recipe(*WORDS)
    assert with_parameters(how, "-x264-params", "a=1", "b=2")[1] == "bframes=2:a=1:b=2"
    assert with_parameters(how, "-x265-params", "a=1") == ("-x265-params", "a=1")


def test_a_preset_may_leave_all_to_ffmpeg() -> None:
    bare = recipe()
    assert resolve_recipe(bare).audio_stream == 0
    assert (option((), "-c"), encoder((), "a"), bare.keeps_length) == (None, None, True)


# --- lengths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("-ss 5", 5),
        ("-ss 1:02", 62),
        ("-ss 1:00:02.5", 3602.5),
        ("-noautorotate -ss 5", 5),
        ("-ss 5 -noautorotate", 5),
        ("-ss 5 -t 3", None),
        ("-ss 5 -ss 6", None),
        ("-ss 5ms", None),
        ("-ss -5", None),
        ("-ss", None),
        ("-t 3", None),
        ("", None),
    ],
)
def test_it_is_known_what_is_skipped_at_the_start(words: str, seconds: float | None) -> None:
    assert recipe(input_arguments=tuple(words.split())).skipped_seconds == seconds


@pytest.mark.parametrize(
    ("changes", "keeps"),
    [
        ({}, True),
        ({"media": "image"}, False),
        ({"media": "video"}, True),
        ({"input_arguments": ("-r", "5")}, False),
        ({"input_arguments": ("-ss:0", "5")}, False),
        ({"input_arguments": ("-noautorotate",)}, True),
        ({"arguments": ("-shortest",)}, False),
        ({"arguments": ("-c:a", "flac", "-to", "3")}, False),
        ({"arguments": ("-vf", "scale=2:2,fps=5")}, True),
        ({"arguments": ("-vf", "scale=2:2,setpts=2*PTS")}, False),
        ({"audio_filter": "volume=2, pan=mono|c0=c0"}, True),
        ({"audio_filter": "apad"}, False),
    ],
)
def test_it_is_known_what_keeps_the_length(changes: dict[str, object], keeps: bool) -> None:
    assert recipe(**changes).keeps_length is keeps


# --- fingerprints --------------------------------------------------------------------------------


def test_a_fingerprint_is_of_what_is_made_and_an_identity_also_of_how_that_is_checked() -> None:
    how = recipe("-c:a", "flac")
    for same in ({"verify": "decode"}, {"strict": True}, {"is_preset": False}):
        assert replace(how, **same).fingerprint == how.fingerprint
    assert replace(how, verify="decode").identity != how.identity
    assert replace(how, strict=True).identity != how.identity
    assert replace(how, is_preset=False).identity == how.identity
    for other in ({"suffix": ".y"}, {"loudness": -16.0}, {"id3": "2.3"}, {"arguments": ()}):
        assert replace(how, **other).fingerprint != how.fingerprint
    assert len(how.fingerprint) == 16


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"suffix": "mp3"}, "suffix: not one of a file"),
        ({"suffix": "."}, "suffix: not one of a file"),
        ({"suffix": "./x"}, "suffix: not one of a file"),
        ({"suffix": ".a\\b"}, "suffix: not one of a file"),
        ({"suffix": "." + "a" * 101}, "suffix: not one of a file"),
        ({"media": "text"}, "media or verify: unknown"),
        ({"verify": "no"}, "media or verify: unknown"),
        ({"id3": "1"}, "id3: unknown"),
        ({"input_arguments": ["-i", "/etc/passwd"]}, "input_arguments: "),
        ({"arguments": "-c:a"}, "arguments: not a list"),
    ],
)
def test_what_a_recipe_cannot_be_is_refused(changes: dict[str, object], why: str) -> None:
    facts = json.loads(recipe().as_json()) | changes
    with pytest.raises(UnreadableError, match=f"^{why}"):
        Recipe.from_json(json.dumps(facts))


@pytest.mark.parametrize(
    "changes", [{"suffix": "." + "a" * 100}, {"film": True, "suffix": ".MKV"}, {"audio_stream": 0}]
)
def test_what_one_may_just_be_is_read(changes: dict[str, object]) -> None:
    how = recipe(**changes)
    assert Recipe.from_json(how.as_json()) == how


# --- what depends on the source ------------------------------------------------------------------


def test_a_preset_takes_its_stream_and_depth_from_the_source() -> None:
    how = recipe("-map", "0:{audio}", "-c:a", "{pcm}")
    german = audio("flac", language="ger", bits=24, details=", stereo (default)")
    source = media(audio(), german)
    made = resolve_recipe(how, source)
    assert made.audio_stream == 1, "players choose the default one"
    assert made.arguments == ("-map", "0:a:1", "-c:a", "pcm_s24le")
    assert resolve_recipe(how).arguments == ("-map", "0:a:0", "-c:a", "pcm_s16le"), (
        "nothing is known yet"
    )
    assert resolve_recipe(replace(how, audio_stream=0), source).arguments[1] == "0:a:0", (
        "it was asked for"
    )
    assert resolve_recipe(replace(how, audio_language="de"), source).audio_stream == 1
    with pytest.raises(
        ConversionError, match="no audio stream in the language 'fr', but in: und, ger"
    ):
        resolve_recipe(replace(how, audio_language="fr"), source)
    assert (
        resolve_recipe(replace(how, audio_language="fr"), media(audio(), audio())).audio_stream == 0
    )


@pytest.mark.parametrize(
    ("stream", "pcm"),
    [
        (audio("flac", bits=16), "pcm_s16le"),
        (audio("flac", bits=17), "pcm_s24le"),
        (audio("flac", bits=24), "pcm_s24le"),
        (audio("alac", bits=25), "pcm_s32le"),
        (audio("alac", bits=32), "pcm_s32le"),
        (audio("aac"), "pcm_s16le"),
        (audio("pcm_f32be"), "pcm_f32le"),
        (audio("pcm_f64le"), "pcm_f64le"),
        (audio("wavpack"), "pcm_f32le"),
        (audio("wavpack", bits=16), "pcm_s16le"),
    ],
)
def test_wav_keeps_all_that_is_in_the_source(stream: Stream, pcm: str) -> None:
    assert resolve_recipe(recipe("{pcm}"), media(stream)).arguments == (pcm,)


def test_only_what_a_preset_leaves_open_depends_on_the_source() -> None:
    assert is_unresolved(recipe("-map", "0:{audio}"))
    assert is_unresolved(recipe("{pcm}"))
    assert is_unresolved(recipe(loudness=-16.0))
    assert not is_unresolved(recipe("-map", "0:a"))
    assert not is_unresolved(recipe("-map", "0:{audio}", is_preset=False))
    film = recipe("{audio}", film=True)
    assert resolve_recipe(film, media(audio())) is film


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (("-map", "0:a:2"), 2),
        (("-map", "0:a:2?"), 2),
        (("-map", "0:a"), 0),
        (("-map", "1:a:2"), 0),
        ((), 0),
    ],
)
def test_own_arguments_name_the_stream(words: tuple[str, ...], number: int) -> None:
    assert resolve_recipe(recipe(*words, is_preset=False)).audio_stream == number
    assert resolve_recipe(recipe(*words, is_preset=False, audio_stream=1)).audio_stream == 1


@pytest.mark.parametrize(
    ("there", "asked", "message"),
    [
        (2, 2, "no audio stream 2: they are 0 to 1"),
        (1, 5, "no audio stream 5: the only one is 0"),
        (0, 0, "no audio stream"),
    ],
)
def test_a_stream_that_is_not_there_is_named(there: int, asked: int, message: str) -> None:
    source = media(*(audio() for _ in range(there)))
    with pytest.raises(ConversionError, match=f"^{message}$"):
        chosen_audio(recipe(audio_stream=asked), source)


def test_the_stream_that_was_asked_for_is_chosen() -> None:
    source = media(audio(), audio("ac3"))
    assert chosen_audio(recipe(audio_stream=1), source) == (source.streams[1],)


def test_what_is_left_out_is_told_where_the_result_is_sound() -> None:
    titled = replace(audio(language="eng"), notes=("title : Comments",))
    source = media(audio(language="ger"), titled, audio(language="und"))
    said = left_out(recipe(audio_stream=1), source)
    assert said == (
        "audio track 1 (eng, Comments) was used; --audio-stream N selects another one: 0 (ger) or 2"
    )
    assert left_out(recipe(), media(audio(), audio())).endswith("selects another one: 1")
    assert left_out(recipe(audio_stream=1, media="video"), source) == ""
    assert left_out(recipe(), media(audio())) == ""
    assert left_out(recipe(), None) == ""


@pytest.mark.parametrize(("tracks", "named", "more"), [(7, 6, ""), (8, 5, "2 more")])
def test_of_many_left_out_some_are_named(tracks: int, named: int, more: str) -> None:
    said = left_out(recipe(), media(*[audio()] * tracks))
    parts = said.partition(": ")[2].split(" or ")
    assert parts == [*map(str, range(1, named + 1)), *([more] if more else [])]
