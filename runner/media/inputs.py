"""The options allowed before ffmpeg's `-i`: those that read nothing but the source. Pure.

This is a list of what is allowed, because ffmpeg has hundreds of options, some of which open files, write
files or add inputs and outputs, and each version has new ones.
"""

from __future__ import annotations

_SWITCHES = """
-accurate_seek -noaccurate_seek -seek_timestamp -autorotate -noautorotate -display_hflip
-display_vflip -vn -an -sn -dn
"""
# In this order: which part of the source and its timing; its format, if it cannot be detected; how to
# read and decode it.
_WITH_VALUE = """
-ss -sseof -t -to -itsoffset -itsscale -r -framerate -ignore_editlist -use_wallclock_as_timestamps
-f -c -codec -vcodec -acodec -scodec -ar -sample_rate -ac -channels -ch_layout -channel_layout
-sample_fmt -s -video_size -pix_fmt -pixel_format -sub_charenc -guess_layout_max
-hwaccel -hwaccel_device -hwaccel_output_format -threads -thread_type -thread_queue_size
-analyzeduration -probesize -fflags -err_detect -ec -flags -flags2 -skip_frame -skip_loop_filter
-skip_idct -discard -strict -drc_scale -scan_all_pmts -display_rotation -apply_cropping -lowres
-max_pixels
"""
# Formats that open no other file: concat, hls, lavfi, image2 and devices do.
_FORMATS = """
s8 u8 s16le s16be u16le u16be s24le s24be u24le u24be s32le s32be u32le u32be f32le f32be f64le
f64be alaw mulaw vidc sln rawvideo yuv4mpegpipe h264 hevc vvc m4v h263 h261 mjpeg mpegvideo vc1 av1
obu ivf dnxhd dirac cavsvideo mp3 aac loas ac3 eac3 ac4 dts dtshd truehd mlp flac tta wv ape mpc
mpc8 shn amr amrnb amrwb g722 g723_1 g726 g726le g729 gsm sbc aptx aptx_hd codec2 codec2raw adp adx
vag aiff au caf wav w64 voc nut ogg matroska webm mov mp4 m4a 3gp avi asf flv mpeg mpegts mpegtsraw
mxf gxf rm dv gif apng s337m spdif dsf iff nsv smjpeg
"""
_switches, _with_value, _formats = (
    frozenset(text.split()) for text in (_SWITCHES, _WITH_VALUE, _FORMATS)
)


class InputArgumentsError(ValueError):
    """The arguments are not allowed; the message says which one and why."""


def check_input_arguments(words: tuple[str, ...]) -> None:
    """Refuse *words* that could do more than say how to read the source.

    Raises:
        InputArgumentsError: One of them could, or a value is missing.
    """
    rest = iter(words)
    for word in rest:
        name = word.split(":", 1)[0]
        if name in _switches:
            continue
        if name not in _with_value:
            raise InputArgumentsError(_why_not(word))
        value = next(rest, None)
        if value is None:
            raise InputArgumentsError(f"'{word}' needs a value after it")
        if name == "-f" and value not in _formats:
            raise InputArgumentsError(
                f"'-f {value}' is not allowed: it is unknown, or reads other files"
            )


def _why_not(word: str) -> str:
    if not word.startswith("-"):
        return f"'{word}' is not an option, and the source is given as SRC"
    if word == "-i":
        return "'-i' is not allowed: the source is given as SRC"
    return f"'{word}' is not one of the options that only say how to read the source"
