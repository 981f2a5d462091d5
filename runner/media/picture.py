"""Read the properties of a film's video, and make the arguments that keep them. Pure.

This works for ffmpeg 4.2 to 9: 4.2 takes a result's colours only from its options, 9 only from its
frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.media.failures import ConversionError, Kind
from runner.media.hdr import hdr_arguments
from runner.media.recipe import encoder, option

if TYPE_CHECKING:
    from runner.media.probe import Stream
    from runner.media.recipe import Recipe

# after the codec: "yuv420p10le(tv, bt2020nc/bt2020/smpte2084, top first), 1920x1080"
_PIXELS = re.compile(r", ([a-z][a-z0-9_]*)(?:\(((?:[^()]|\([^)]*\))*)\))?, (\d+)x(\d+)")
_DEEP = re.compile(
    r"(?:p|p0|p2|p4|gray|xyz|x2rgb|x2bgr)(9|1\d)(?:le|be)|(?:rgb48|bgr48|rgba64|bgra64|ya16)"
)
_RGB = re.compile(r"0?(?:rgb|bgr)|gbr|argb|abgr|x2rgb|x2bgr|pal8|mono")
_RANGES = ("tv", "pc")
_PLACES = re.compile(r"left|center|topleft|top|bottomleft|bottom|unspecified|unknown")
_FPS = re.compile(r", ([\d.]+)(k?) fps")
_HDR = ("smpte2084", "arib-std-b67")
# Codecs that may be interlaced; newer ones are progressive.
_WITH_FIELDS = re.compile(
    r"mpeg[12]video|h264|mpeg4|vc1|wmv3|dvvideo|prores|dnxhd|mjpeg|ffv1|huffyuv|ffvhuff|utvideo"
    r"|rawvideo|v210|cineform|cfhd|jpeg2000|hevc|magicyuv"
)
# Their decoders say for each frame whether it is interlaced, because it can vary.
_MIXES = ("mpeg2video", "h264", "vc1")
# Encoders whose 10-bit results players support; few support 10-bit H.264.
_TEN_BIT = re.compile(r"libx265|libsvtav1|libaom-av1|librav1e|libvpx-vp9|(?:hevc|av1|vp9)_\w+")
_TONE_MAPPED = (
    "zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709"
    ",tonemap=tonemap=hable:desat=0,zscale=transfer=bt709:matrix=bt709:range=limited"
)
_EVEN = "crop=trunc(iw/2)*2:trunc(ih/2)*2"
_POINT = (
    r"\(([\d.]+)[, ]+([\d.]+)\)"  # separated by a comma, a space or both, depending on the version
)
_MASTERING = re.compile(
    rf"Mastering [Dd]isplay [Mm]etadata.*? r{_POINT} g{_POINT} b{_POINT} wp{_POINT}"
    r" min_luminance=([\d.]+), max_luminance=([\d.]+)"
)
_LIGHT = re.compile(r"Content [Ll]ight [Ll]evel [Mm]etadata.*?MaxCLL=(\d+), MaxFALL=(\d+)")
# ffmpeg 4.2 prints only this about the mastering display
_UNREAD = "side data - unknown side data type 11"
_IDET = re.compile(r"Multi frame detection: TFF: *(\d+) BFF: *(\d+) Progressive: *(\d+)")
_DOLBY_VISION_ALONE = re.compile(r"DOVI configuration.*profile: 5\b")


@dataclass(frozen=True)
class Colours:
    """How a picture's values become colours, in ffmpeg's words; empty if unknown."""

    matrix: str = ""
    primaries: str = ""
    transfer: str = ""


_BT709 = Colours("bt709", "bt709", "bt709")
_AS_BT709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
# In some versions, ffmpeg prints other words than its options accept.
_TRANSFERS = {"bt470m": "gamma22", "bt470bg": "gamma28"}
_KNOWN = (
    *(
        "bt709",
        "bt470m",
        "bt470bg",
        "smpte170m",
        "smpte240m",
        "film",
        "bt2020",
        "smpte431",
        "smpte432",
    ),
    *("gamma22", "gamma28", "linear", "iec61966-2-4", "iec61966-2-1", "bt2020-10", "bt2020-12"),
    *("smpte2084", "arib-std-b67", "fcc", "bt2020nc", "bt2020c"),
)


@dataclass(frozen=True)
class Picture:
    """The properties of a video stream."""

    pixels: str = ""
    """ffmpeg's name of the pixel format."""
    range: str = ""
    """"tv", "pc" or empty."""
    colours: Colours = Colours()
    field: str = ""
    """"top first", "progressive" …; empty if unknown."""
    rate: float = 0.0
    """Frames per second; 0 if unknown."""

    @property
    def is_hdr(self) -> bool:
        """Whether its transfer function is PQ or HLG."""
        return self.colours.transfer in _HDR

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits."""
        return bool(_DEEP.search(self.pixels))

    @property
    def is_rgb(self) -> bool:
        """Whether it is RGB, which has no matrix."""
        return bool(_RGB.match(self.pixels))

    @property
    def has_fields(self) -> bool:
        """Whether it is marked as interlaced."""
        return bool(self.field) and self.field != "progressive"


@dataclass(frozen=True)
class Samples:
    """What some decoded frames of a film show; empty if none were decoded."""

    parity: str = ""
    """The field order of frames that are interlaced but not marked so: "tff" or "bff"."""
    mastering: tuple[str, ...] = ()
    """The mastering display: r, g, b, white point (x, y each), min, max."""
    light: tuple[str, ...] = ()
    """The brightest pixel and the brightest frame, in cd/m²."""
    is_unread: bool = False
    """Whether there is such metadata that this ffmpeg cannot read."""


def picture_of(stream: Stream) -> Picture:
    """Parse ffmpeg's line about *stream*."""
    found, rate = _PIXELS.search(stream.details), _FPS.search(stream.details)
    if not found:
        return Picture()
    words = [word for word in (found[2] or "").split(", ") if word]
    colours = [w for w in words if w not in _RANGES and " " not in w and w != "progressive"]
    return Picture(
        pixels=found[1],
        range=next((w for w in words if w in _RANGES), ""),
        colours=_colours([w for w in colours if not _PLACES.fullmatch(w)]),
        field=next((w for w in words if "first" in w or w == "progressive"), ""),
        rate=float(rate[1]) * (1000 if rate[2] else 1) if rate else 0.0,
    )


def _colours(words: list[str]) -> Colours:
    parts = words[0].split("/") if words else []
    if len(parts) == 1:  # all three are the same
        parts *= 3
    known = ["" if part in ("unknown", "unspecified") else part for part in parts]
    return Colours(*known) if len(known) == 3 else Colours()


def sampling(stream: Stream, recipe: Recipe, length: float | None) -> tuple[tuple[str, ...], str]:
    """Return input options and a filter for sampling frames, to find out how to treat *stream*.

    The filter is empty if ffmpeg's line says everything, as for most films.
    """
    picture = picture_of(stream)
    if picture.is_hdr and takes_hdr(recipe):
        return ("-t", "1"), "showinfo"
    may_have_fields = _WITH_FIELDS.fullmatch(stream.codec) and picture.rate <= 31
    if recipe.deinterlace == "auto" and may_have_fields and not picture.has_fields:
        # not at the start, which is often black
        start = ("-ss", f"{length / 3:.1f}") if length and length > 60 else ()
        return (*start, "-t", "10"), "idet"
    return (), ""


def read_samples(log: str) -> Samples:
    """Read what the filters of `sampling` left in *log*."""
    mastering, light = _MASTERING.search(log), _LIGHT.search(log)
    return Samples(
        parity=_parity(log),
        mastering=mastering.groups() if mastering else (),
        light=light.groups() if light else (),
        is_unread=mastering is None and _UNREAD in log,
    )


def _parity(log: str) -> str:
    """Return the field order, if nearly all frames with a clear result agree."""
    counts = [tuple(map(int, groups)) for groups in _IDET.findall(log)]
    top, bottom, progressive = max(counts, key=sum, default=(0, 0, 0))
    many = max(top, bottom)
    if many < 8 or many < 0.75 * (top + bottom + progressive) or many < 0.9 * (top + bottom):
        return ""
    return "tff" if top > bottom else "bff"


def takes_hdr(recipe: Recipe) -> bool:
    """Return whether players support 10 bit and HDR from the encoder of *recipe*."""
    return bool(_TEN_BIT.fullmatch(encoder(recipe.arguments, "v") or ""))


def check_colours(stream: Stream) -> None:
    """Refuse films whose colours ffmpeg would get wrong.

    Raises:
        ConversionError: It is Dolby Vision without a base layer that other players can show.
    """
    if any(_DOLBY_VISION_ALONE.search(note) for note in stream.notes):
        message = (
            "Dolby Vision profile 5: its colours would be wrong, because ffmpeg cannot convert them"
        )
        raise ConversionError(Kind.INPUT, message)


def is_interlaced(picture: Picture, samples: Samples, recipe: Recipe) -> bool:
    """Return whether to deinterlace."""
    return recipe.deinterlace == "auto" and (picture.has_fields or bool(samples.parity))


def picture_arguments(stream: Stream, samples: Samples, recipe: Recipe) -> tuple[str, ...]:
    """Return the options that keep the properties of *stream*."""
    picture = picture_of(stream)
    hdr, deep = takes_hdr(recipe) and picture.is_hdr, takes_hdr(recipe) and picture.is_deep
    own = option(recipe.arguments, "-vf")
    filters = [*([own] if own else []), _EVEN]
    colours = picture.colours
    if picture.is_hdr and not hdr:
        filters.append(_TONE_MAPPED)
        colours = _BT709
    elif picture.is_rgb:
        filters.append(f"scale=out_color_matrix=bt709:out_range=tv,{_AS_BT709}")
        colours = _BT709
    elif picture.range == "pc":
        filters.append("scale=out_range=tv")
    if is_interlaced(picture, samples, recipe):
        filters.insert(0, _deinterlaced(stream, picture, samples))
    filters.append(f"format={_format(recipe, deep=deep)}")
    return (
        *("-vf", ",".join(filters)),
        *_tags(colours),
        *(hdr_arguments(recipe, samples) if hdr else ()),
    )


def _format(recipe: Recipe, *, deep: bool) -> str:
    chosen = option(recipe.arguments, "-pix_fmt")
    is_hardware = "_" in (encoder(recipe.arguments, "v") or "")
    return chosen or (("p010le" if is_hardware else "yuv420p10le") if deep else "yuv420p")


def _deinterlaced(stream: Stream, picture: Picture, samples: Samples) -> str:
    if stream.codec in _MIXES and picture.has_fields:
        return "bwdif=mode=send_frame:parity=auto:deint=interlaced"
    parity = samples.parity or ("bff" if picture.field.startswith("bottom") else "tff")
    return f"bwdif=mode=send_frame:parity={parity}:deint=all"


def _tags(colours: Colours) -> tuple[str, ...]:
    """Return the options that declare the colours of the result."""
    transfer = _TRANSFERS.get(colours.transfer, colours.transfer)
    options = {
        "-colorspace": colours.matrix,
        "-color_primaries": colours.primaries,
        "-color_trc": transfer,
    }
    known = [(name, value) for name, value in options.items() if value in _KNOWN]
    return (*(part for pair in known for part in pair), "-color_range", "tv")
