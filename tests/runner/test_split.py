"""Long films are encoded in pieces side by side, and nobody can tell."""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from runner.encoders import listed_encoders
from runner.media.failures import Kind, Stopped
from runner.media.ffmpeg import ProcessHandle
from runner.media.picture import Samples
from runner.media.pieces import (
    Frames,
    Split,
    UnsplittableError,
    check_recipe,
    concat_list,
    plan_pieces,
)
from runner.media.probe import MediaInfo, Stream
from runner.media.recipe import Recipe
from runner.media.worker import convert
from runner.options import RunOptions
from runner.parallel import pieces_for
from runner.presets import BUILT_IN
from tests.conftest import Run, in_work, until
from tests.runner.programs import converted, every_ffmpeg, failure_of, work
from tests.stand_in import MakeStandIn

# ---- the plan


def regular(count: int, keys: Sequence[int], base: float = 0.04, step: int = 1) -> Frames:
    """So many frames, with keyframes at these numbers."""
    return Frames(base, tuple(n * step for n in range(count)), tuple(key * step for key in keys))


def test_pieces_begin_at_the_first_keyframe_after_their_length() -> None:
    pieces = plan_pieces(regular(250, range(0, 250, 25)), 2.5).pieces
    assert [piece.frames for piece in pieces] == [75, 75, 100]
    # each begins just before its first frame, where the one before ends
    assert [piece.start for piece in pieces] == [0, *map(pytest.approx, (2.988, 5.988))]
    assert [piece.end for piece in pieces] == [*(piece.start for piece in pieces[1:]), None]


def test_ffmpeg_is_told_where_a_piece_begins_and_ends() -> None:
    first, second, *_, last = plan_pieces(regular(250, [0, 50, 100, 150, 200]), 2).pieces
    assert (first.input, first.filters) == ((), ("trim=end=1.988000",))
    assert (second.input, second.filters) == (("-ss", "1.988000"), ("trim=end=2.000000",))
    assert (last.input, last.filters) == (("-ss", "7.988000"), ())


def test_a_film_that_starts_late_is_read_from_its_first_frame_on() -> None:
    frames = regular(250, [0, 50, 100, 150, 200])
    late = replace(
        frames, times=tuple(t + 10 for t in frames.times), keys=tuple(t + 10 for t in frames.keys)
    )
    assert plan_pieces(late, 4).pieces[0].input == ("-ss", "0.388000")


def test_every_frame_is_in_one_piece_also_after_rounding_to_milliseconds() -> None:
    times = tuple(round(n * 1001 / 24) for n in range(500))
    frames = Frames(0.001, times, times[::37])
    pieces = plan_pieces(frames, 3).pieces
    seen = [sum(p.start <= time * 0.001 < (p.end or 1e9) for p in pieces) for time in times]
    assert set(seen) == {1}
    assert sum(piece.frames for piece in pieces) == len(times)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (regular(250, [0]), "too few keyframes"),
        (regular(250, [0, 10]), "too few keyframes"),
        (regular(1, [0]), "too few frames"),
        (Frames(0.001, (0, 40, 80, 160, 200), (0, 80)), "frame rate varies"),
        (Frames(0.001, (*range(0, 4000, 40), *range(4000, 8000, 20)), (0, 4000)), "frame rate varies"),
    ],
)  # fmt: skip
def test_what_has_no_exact_bounds_is_not_cut(frames: Frames, reason: str) -> None:
    with pytest.raises(UnsplittableError, match=reason):
        plan_pieces(frames, 2)


@pytest.mark.parametrize(
    ("asked", "whole", "length"),
    [
        (None, 60, None), (None, 119, None), (None, 600, 60), (None, 3600, 112.5),
        (None, 7200, 225), (None, 36_000, 300), (10.0, 19, None), (10.0, 20, 10), (1.5, 7200, 1.5),
        (None, 0, None),
    ],
)  # fmt: skip
def test_length_of_a_piece(asked: float | None, whole: float, length: float | None) -> None:
    assert Split(folder="", seconds=asked).length(whole) == length


@pytest.mark.parametrize(
    ("asked", "whole", "length"), [(None, 599, None), (None, 600, 60), (9.0, 20, 9)]
)
def test_where_pieces_cost_more_only_longer_films_are_cut_without_being_asked(
    asked: float | None, whole: float, length: float | None
) -> None:
    assert Split(folder="", seconds=asked, least=600).length(whole) == length


@pytest.mark.parametrize(
    ("running", "cores", "useful", "alone", "asked"),
    [
        (1, 1, 4, 1, 1), (1, 2, 4, 1, 2), (1, 8, 4, 1, 2), (1, 16, 4, 2, 4), (1, 64, 4, 8, 16),
        (4, 64, 4, 2, 4), (16, 64, 4, 1, 2), (64, 64, 4, 1, 1),
    ],
)  # fmt: skip
def test_pieces_at_a_time(running: int, cores: int, useful: int, alone: int, asked: int) -> None:
    assert pieces_for(running, cores, useful, asked=False) == alone
    assert pieces_for(running, cores, useful, asked=True) == asked


def test_the_list_for_ffmpeg_has_exact_lengths() -> None:
    assert concat_list(["a.mp4"], [float(Fraction(1001 * 48, 24000))]) == (
        "ffconcat version 1.0\nfile a.mp4\nduration 2.002000\n"
    )


PICTURE = Stream(0, "video", "h264", details=", yuv420p(tv, progressive), 64x48, 25 fps")
MP4 = MediaInfo("mov,mp4,m4a,3gp,3g2,mj2", 100.0, (PICTURE,))


def film(*words: str, **details: object) -> Recipe:
    made = Recipe(suffix=".mp4", media="video", film=True, arguments=("-c:v", "libx264", *words))
    return replace(made, **details)  # type: ignore[arg-type] # fields of Recipe


@pytest.mark.parametrize("preset", ["mp4", "hevc", "webm", "av1", "mkv"])
def test_every_preset_for_films_can_be_split(preset: str) -> None:
    check_recipe(BUILT_IN[preset].recipe(), MP4, PICTURE, Samples())


@pytest.mark.parametrize(
    ("recipe", "media", "samples", "reason"),
    [
        (film("-b:v", "2M"), MP4, Samples(), "bit rate"),
        (film("-maxrate", "2M"), MP4, Samples(), "-maxrate"),
        (film("-pass", "1"), MP4, Samples(), "-pass"),
        (film("-vf", "fps=10"), MP4, Samples(), "-vf"),
        (film("-t", "10"), MP4, Samples(), "-t"),
        (film("-c:v", "prores"), MP4, Samples(), "prores"),
        (film(input_arguments=("-ss", "5")), MP4, Samples(), "--input-args"),
        (film(film=False), MP4, Samples(), "your own"),
        (film(), MP4, Samples(parity="tff"), "interlaced"),
        (film(), replace(MP4, format="mpegts"), Samples(), "mpegts"),
        (film(), replace(MP4, format="avi"), Samples(), "avi"),
    ],
)  # fmt: skip
def test_what_is_for_the_whole_film_is_not_split(
    recipe: Recipe, media: MediaInfo, samples: Samples, reason: str
) -> None:
    with pytest.raises(UnsplittableError, match=re.escape(reason)):
        check_recipe(recipe, media, PICTURE, samples)


@pytest.mark.parametrize("value", ["auto", "off", "1", "90", "12.5"])
def test_an_option_of_the_run(value: str) -> None:
    assert RunOptions.from_json(RunOptions(split=value).as_json()).split == value


# ---- real films


def picture(size: str = "64x48", rate: str = "24000/1001", seconds: float = 4.0) -> list[str]:
    """A picture that moves, with a hard cut in it."""
    scenes = f"testsrc2=s={size}:r={rate}:d={seconds}[a];testsrc=s={size}:r={rate}:d={seconds}[b]"
    return [
        "-f",
        "lavfi",
        "-i",
        f"{scenes};[a][b]overlay=enable='gte(mod(t,2.5),1.3)',format=yuv420p",
    ]


SOUND = ["-f", "lavfi", "-i", "sine=f=440:r=8000:d=4"]
X264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "24"]
PYRAMID = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "24", "-bf", "3", "-b_strategy", "0",
           "-x264-params", "b-pyramid=normal"]  # fmt: skip
HDR = ["-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084",
       "-colorspace", "bt2020nc"]  # fmt: skip
MASTERING = (
    "hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    ":max-cll=1000,400:log-level=none"
)


def make(folder: Path, name: str, *words: str) -> Path:
    """The film that ffmpeg makes with these words."""
    path = folder / name
    subprocess.run([get_ffmpeg_exe(), "-v", "error", *words, str(path)], check=True)
    return path


def with_everything(folder: Path) -> Path:
    """Two sound tracks, subtitles, chapters and an attachment."""
    (folder / "s.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (folder / "c.txt").write_text(
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=1500\nEND=4000\ntitle=Two\n"
    )
    (folder / "f.ttf").write_bytes(b"a font")
    inputs = [*picture(), *SOUND, "-f", "lavfi", "-i", "sine=f=880:r=8000:d=4"]
    inputs += ["-i", str(folder / "s.srt"), "-i", str(folder / "c.txt")]
    maps = [word for n in range(4) for word in ("-map", str(n))]
    tags = ["-map_metadata", "4", "-metadata:s:v", "title=Main", "-metadata:s:a:1", "language=ger"]
    attached = ["-attach", str(folder / "f.ttf"), "-metadata:s:t", "mimetype=font/ttf"]
    rest = ["-c:a", "aac", "-c:s", "srt", "-disposition:a:1", "default"]
    return make(folder, "in.mkv", *inputs, *maps, *tags, *PYRAMID, *rest, *attached)


def a_film(kind: str, folder: Path) -> Path:
    """The source of this *kind*."""
    if kind == "with everything":
        return with_everything(folder)
    late = ["-itsoffset", "0.3"]
    x265 = ["-c:v", "libx265", "-preset", "ultrafast"]
    words = {
        "b-pyramid": ("in.mp4", [*picture(), *SOUND, *PYRAMID, "-c:a", "aac"]),
        "late video": ("in.mp4", [*late, *picture(), *SOUND, *X264, "-c:a", "aac"]),
        "late sound": ("in.mp4", [*picture(rate="25"), *late, *SOUND, *X264, "-c:a", "aac"]),
        "open groups in h.265": ("in.mkv", [*picture(), *x265, "-x265-params", "keyint=24:log-level=none"]),
        "hdr": ("in.mkv", [*picture(rate="25"), *x265, *HDR, "-x265-params", f"keyint=25:{MASTERING}"]),
        "odd size": ("in.webm", [*picture("63x47", "30"), "-c:v", "libvpx", "-g", "30"]),
    }  # fmt: skip
    name, made = words[kind]
    return make(folder, name, *made)


def packets_of(path: Path) -> dict[str, list[tuple[int, ...]]]:
    """Time and, for all but the video, size and checksum of each packet, by the kind of their streams."""
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    maps = [word for kind in "Vas" for word in ("-map", f"0:{kind}?")]
    done = subprocess.run(
        [*command, *maps, "-c", "copy", "-f", "framecrc", "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    kinds = dict(re.findall(r"^#media_type (\d+): (\w+)", done.stdout, re.MULTILINE))
    packets: dict[str, list[tuple[int, ...]]] = {kind: [] for kind in kinds.values()}
    for line in done.stdout.splitlines():
        if not line.startswith("#"):
            stream, *facts = (part.strip() for part in line.split(","))
            keep = 1 if kinds[stream] == "video" else 3
            wanted = (facts[1], facts[3], facts[4])[:keep]
            packets[kinds[stream]].append(tuple(int(fact, 0) for fact in wanted))
    return {kind: sorted(found) for kind, found in packets.items()}


def listed(path: Path, stream: str) -> list[tuple[int, ...]]:
    """Those of the video, V, or of the sound, a."""
    return packets_of(path)[{"V": "video", "a": "audio"}[stream]]


def looks(path: Path) -> list[str]:
    """What ffmpeg says of *path*, without what depends on the encoding."""
    done = subprocess.run(
        [get_ffmpeg_exe(), "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False
    )  # fmt: skip
    lines = re.sub(r"0x[0-9a-f]+|, \d+ kb/s|bitrate: .*", "", done.stderr).splitlines()
    unlike = (
        "encoder",
        "handler_name",
        "vendor_id",
        "duration",
        "cpb:",
        "at least one",
        "consider",
        "input",
    )
    return [line.strip() for line in lines if not line.strip().lower().startswith(unlike)]


def likeness(path: Path, source: Path) -> list[float]:
    """The PSNR of each frame to that of the source, by number."""
    same = "[0:v]settb=AVTB,setpts=N,format=yuv420p[a];[1:v]settb=AVTB,setpts=N,crop=trunc(iw/2)*2:trunc(ih/2)*2,format=yuv420p[b]"
    command = [get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-i", str(source), "-lavfi"]
    command += [f"{same};[a][b]psnr=stats_file=-", "-fps_mode", "passthrough", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [min(99.0, float(value)) for value in re.findall(r"psnr_avg:(\S+)", done.stdout)]


def both(
    source: Path, how: Recipe, seconds: float = 1.0, ffmpeg: str | None = None
) -> tuple[Path, Path, tuple[str, ...]]:
    """The results of *source* in one piece and in several, and the notices of the second one."""
    folder = source.parent
    one, split = folder / f"one{how.suffix}", folder / f"split{how.suffix}"
    converted(work(source, one, how=how))
    pieces = Split(folder=str(folder / "pieces" / "id"), seconds=seconds, at_a_time=2)
    notices = converted(replace(work(source, split, how=how, ffmpeg=ffmpeg), split=pieces)).notices
    assert not (folder / "pieces").exists()
    return one, split, tuple(n for n in notices if "in one piece" in n)


def test_what_an_encoder_complains_about_is_not_held_against_the_film(
    stand_in: MakeStandIn, tmp_path: Path
) -> None:
    complaint = "x265 [error]: unable to set thread affinity for NUMA node mask"
    program = stand_in(f"if 'libx264' in WORDS: say({complaint!r})")
    how = BUILT_IN["mp4"].recipe()
    _, _, fallen_back = both(a_film("b-pyramid", tmp_path), how, ffmpeg=str(program.path))
    assert fallen_back == ()


# the first piece is encoded as where there are fewer instructions and more threads
OTHERS = """
if "log-level=none" in WORDS and is_first("another processor"):
    ARGUMENTS[:] = [word.replace("log-level=none", "log-level=none:asm=sse2:pools=3") for word in ARGUMENTS]
    append("processors", "another")
"""


def test_pieces_from_machines_with_other_processors_are_one_film(
    stand_in: MakeStandIn, tmp_path: Path
) -> None:
    program = stand_in(OTHERS)
    preset = BUILT_IN["hevc"].recipe()
    how = replace(preset, arguments=(*preset.arguments, "-x265-params", "log-level=none"))
    _, _, fallen_back = both(a_film("b-pyramid", tmp_path), how, ffmpeg=str(program.path))
    assert fallen_back == ()
    assert program.said("processors") == ["another"]


@pytest.mark.parametrize(
    ("kind", "preset"),
    [
        ("b-pyramid", "mp4"),
        ("late video", "mp4"),
        ("late sound", "mkv"),
        ("with everything", "mkv"),
        ("with everything", "mp4"),
        ("open groups in h.265", "webm"),
        ("hdr", "hevc"),
        ("odd size", "av1"),
    ],
)
@pytest.mark.needs_services
def test_a_film_of_pieces_is_the_film_of_one(kind: str, preset: str, tmp_path: Path) -> None:
    if preset == "av1" and "libsvtav1" not in listed_encoders(get_ffmpeg_exe()):
        pytest.skip("this ffmpeg has no libsvtav1, as on Windows")
    source = a_film(kind, tmp_path)
    how = BUILT_IN[preset].recipe()
    one, split, fallen_back = both(source, how)
    assert fallen_back == ()
    assert looks(split) == looks(one)
    # every frame at the same time, and the very same sound and subtitles
    packets = packets_of(split)
    assert packets["video"]
    assert packets == packets_of(one)
    # it is encoded differently, and at the seams it is as good
    assert split.read_bytes() != one.read_bytes()
    alike = likeness(split, source)
    assert len(alike) == len(packets_of(source)["video"])
    assert min(alike) >= min(likeness(one, source)) - 1.5


@every_ffmpeg
def test_any_ffmpeg_can_do_it(ffmpeg: str, tmp_path: Path) -> None:
    source = a_film("b-pyramid", tmp_path)
    target = tmp_path / "out.mp4"
    pieces = Split(folder=str(tmp_path / "pieces" / "id"), seconds=1, at_a_time=2, threads=1)
    how = BUILT_IN["mp4"].recipe()
    made = converted(replace(work(source, target, how=how, ffmpeg=ffmpeg), split=pieces))
    assert not [notice for notice in made.notices if "in one piece" in notice]
    assert len(packets_of(target)["video"]) == len(packets_of(source)["video"])
    assert min(likeness(target, source)) > 30


# ---- what falls back


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("in.mp4", [*picture(), *PYRAMID, "-x264-params", "open-gop=1:b-pyramid=normal"], "before its keyframe"),
        ("in.mkv", [*picture(), "-vf", "select='not(mod(floor(n/10),3))+mod(n,2)'", "-fps_mode", "vfr", *X264], "rate varies"),
        ("in.ts", [*picture(), *X264], "mpegts"),
        ("in.mp4", [*picture(seconds=1.5), *X264], "too short"),
        ("in.mp4", [*picture(), *X264, "-g", "999"], "too few keyframes"),
    ],
    ids=["open groups in h.264", "vfr", "ts", "short", "one keyframe"],
)  # fmt: skip
@pytest.mark.needs_services
def test_other_films_are_converted_in_one_piece_with_a_word(
    name: str, words: list[str], reason: str, tmp_path: Path
) -> None:
    source = make(tmp_path, name, *words)
    one, split, fallen_back = both(source, BUILT_IN["mp4"].recipe())
    assert len(fallen_back) == 1
    assert reason in fallen_back[0]
    assert packets_of(split) == packets_of(one)


def test_sound_alone_is_never_split_and_nothing_is_said(tmp_path: Path) -> None:
    source = make(tmp_path, "in.wav", *SOUND)
    _, _, fallen_back = both(source, BUILT_IN["mp3"].recipe())
    assert fallen_back == ()


@pytest.mark.needs_services
def test_a_damaged_film_fails_as_in_one_piece(tmp_path: Path) -> None:
    source = make(tmp_path, "in.mp4", *picture(), *SOUND, *X264, "-c:a", "aac")
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = os.urandom(2000)
    source.write_bytes(data)
    one = work(source, tmp_path / "out.mp4", how=BUILT_IN["mp4"].recipe())
    pieces = Split(folder=str(tmp_path / "pieces" / "id"), seconds=1, at_a_time=2)
    alike = [failure_of(each) for each in (one, replace(one, split=pieces))]
    assert alike[0].kind is alike[1].kind is Kind.INPUT
    assert alike[0].message == alike[1].message


# ---- interruptions

# The last piece waits; the others are encoded.
HELD = """
if "-ss" in ARGUMENTS and "libx264" in WORDS and "trim=" not in WORDS:
    append("held", str(os.getpid()))
    wait_for("go")
"""


def test_after_a_kill_only_the_pieces_that_are_missing_are_encoded(
    started: Callable[..., subprocess.Popen[str]],
    stand_in: MakeStandIn,
    run: Run,
    destination: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in", "a.mp4", *picture(), *SOUND, *X264, "-c:a", "aac")
    program = stand_in(HELD)
    command = ["convert", "in", "--to", "mp4", "--split", "1", "--ffmpeg", str(program.path)]
    process = started(*command)
    kept = destination / ".runner" / "pieces"
    until(lambda: program.said("held") and len(in_work(kept, "*/*.mp4")) == 3)
    process.kill()
    process.wait()
    # one of them was not written to its end, as after a loss of power
    broken = sorted(kept.glob("*/*.mp4"))[1]
    broken.write_bytes(broken.read_bytes()[:-100])
    (program.path.parent / "go").touch()
    before = len([start for start in program.starts if "-an -sn -dn" in start])
    assert before == 4
    again = run(*command)
    assert again.exit_code == 0
    assert "in one piece" not in again.stderr
    assert len([start for start in program.starts if "-an -sn -dn" in start]) == before + 2
    assert not kept.exists()


def test_a_stop_ends_all_pieces_and_keeps_those_that_are_finished(
    stand_in: MakeStandIn, tmp_path: Path
) -> None:
    source = make(tmp_path, "a.mp4", *picture(), *X264)
    program = stand_in(HELD)
    pieces = Split(folder=str(tmp_path / "pieces" / "id"), seconds=1, at_a_time=4)
    one = work(source, tmp_path / "out.mp4", how=BUILT_IN["mp4"].recipe(), ffmpeg=str(program.path))
    handle = ProcessHandle()
    caller = threading.Thread(
        target=lambda: (until(finished), handle.cancel()),  # type: ignore[func-returns-value] # one after the other
    )

    def finished() -> bool:
        return bool(program.said("held")) and len(list(Path(pieces.folder).glob("*.mp4"))) == 3

    caller.start()
    with pytest.raises(Stopped):
        convert(replace(one, split=pieces), handle)
    caller.join()
    assert len(list(Path(pieces.folder).glob("*.mp4"))) == 3
    assert not list(Path(one.scratch).glob("*"))


@pytest.mark.parametrize("value", ["nix", "0", "0.5", "-1", "1e3", "inf"])
def test_a_wrong_length_is_refused(value: str, run: Run, tmp_path: Path) -> None:
    said = run("convert", str(tmp_path), f"--split={value}")
    assert said.exit_code == 2
    assert f"--split {value}: use auto, off, or a number of seconds from 1" in said.stderr
