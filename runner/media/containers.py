"""A table of what containers can hold so that players support it, not only what their specs allow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Container:
    """What a container can hold so that players support it."""

    name: str
    sounds: tuple[str, ...]
    """Codecs that are copied."""
    text: str
    """The encoder of text subtitles."""
    subtitles: tuple[str, ...]
    """Codecs of subtitles that are copied."""
    attachments: bool = False


# ffmpeg also writes VobSub into MP4, with an extension by Nero that few players know.
_MP4 = Container("MP4", ("aac",), "mov_text", ("mov_text",))
_WEBM = Container("WebM", ("opus", "vorbis"), "webvtt", ("webvtt",))
_MATROSKA = Container(
    "Matroska",
    ("aac", "ac3", "eac3", "dts", "truehd", "flac", "alac", "mp3", "mp2", "opus", "vorbis"),
    "srt",
    ("subrip", "ass", "ssa", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"),
    attachments=True,
)
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _MP4,
    ".webm": _WEBM,
    ".mkv": _MATROSKA,
}
# Codecs of subtitles that ffmpeg reads as text.
TEXTS = (
    *("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text", "ttml", "stl", "subviewer"),
    *("subviewer1", "microdvd", "sami", "realtext", "jacosub", "mpl2", "pjs", "vplayer"),
)
# Names for people of subtitles that are pictures.
NAMES = {
    "hdmv_pgs_subtitle": "PGS",
    "dvd_subtitle": "VobSub",
    "dvb_subtitle": "DVB",
    "dvb_teletext": "teletext",
    "eia_608": "closed captions",
}
