"""Real media for tests, made with the embedded ffmpeg: each file on first use, once a session."""

import os
import shlex
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

SECONDS = 2.0
"""The length of what is made, where its name does not say otherwise."""
TONE, SECOND_TONE = 440, 880
"""What the first and the second audio track sound like, in Hz.

Most films have one channel, and the sample rates are low: to encode two seconds of stereo at 44.1 kHz takes
several times what a start of ffmpeg does.
"""

_WORDS = {
    "sound": f"-f lavfi -i aevalsrc=0.3*sin({TONE}*2*PI*t)|0.2*sin({TONE}*2*PI*t):s=22050:d={SECONDS}",
    "mono": f"-f lavfi -i aevalsrc=0.3*sin({TONE}*2*PI*t):s=22050:d={SECONDS}",
    "noise": "-f lavfi -i aevalsrc=0.3*sin(440*2*PI*t)+0.05*random(0):s=48000:d=5",
    "moving": "-f lavfi -i testsrc2=size=64x48:rate=10:duration=5",
    "second_sound": f"-f lavfi -i sine={SECOND_TONE}:sample_rate=22050:duration={SECONDS}",
    "surround": f"-f lavfi -i aevalsrc={'|'.join(['0.2*sin(440*2*PI*t)'] * 6)}:c=5.1:s=32000:d={SECONDS}",
    "picture": f"-f lavfi -i testsrc2=size=64x48:rate=10:duration={SECONDS}",
    "long_picture": "-f lavfi -i testsrc2=size=64x48:rate=10:duration=8",
    "odd_picture": f"-f lavfi -i testsrc2=size=65x49:rate=10:duration={SECONDS}",
    "small": "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1",
    # stripes that move smoothly: a deinterlacer can make of them what idet then calls progressive
    "fields": "-f lavfi -i nullsrc=size=96x64:rate=50:duration=1"
    ",geq=lum=128+100*sin((X+N*4)/10):cb=128:cr=128",
    "bt2020": "setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020",
    "image": "-f lavfi -i color=c=red:size=32x32:duration=0.1:rate=10 -frames:v 1",
    "TONE": str(TONE),
    "SECONDS": str(SECONDS),
    "x264": "-c:v libx264 -preset ultrafast -g 5 -pix_fmt yuv420p",
    "tags": "-metadata title=Söng -metadata artist=Änn -metadata date=2021 -metadata track=3",
}

# What ffmpeg is told after its quiet options; `@name` is another one of these files.
_MADE = {
    # the usual containers
    "clip.mp4": "{picture} {sound} {x264} -c:a aac -movflags +faststart {tags}",
    "clip.mov": "{picture} {mono} {x264} -c:a pcm_s16le",
    "clip.mkv": "{picture} {mono} {x264} -c:a libvorbis {tags}",
    "clip.webm": "{picture} {sound} -c:v libvpx -deadline realtime -c:a libopus",
    "clip.avi": "{picture} {mono} -c:v mpeg4 -c:a libmp3lame",
    "clip.ts": "{picture} {mono} {x264} -c:a aac -ar 44100",
    "clip.mpg": "{picture} {mono} -r 25 -c:v mpeg2video -c:a mp2",
    "clip.wmv": "{picture} {mono} -c:v wmv2 -c:a wmav2",
    "clip.flv": "{picture} {mono} -c:v flv -c:a libmp3lame",
    "clip.3gp": "{picture} {mono} -c:v mpeg4 -c:a aac -ac 1",
    "clip.mp3": "{sound} -c:a libmp3lame {tags}",
    "clip.m4a": "{sound} -c:a aac {tags}",
    "clip.ogg": "{sound} -c:a libvorbis {tags}",
    "clip.opus": "{sound} -c:a libopus {tags}",
    "clip.flac": "{sound} -c:a flac {tags}",
    "clip.wav": "{sound} -c:a pcm_s16le",
    "clip.aiff": "{sound} -c:a pcm_s16be",
    "clip.wma": "{sound} -c:a wmav2 {tags}",
    "clip.wv": "{sound} -c:a wavpack {tags}",
    "alac.m4a": "{sound} -c:a alac",
    "clip.ac3": "{sound} -c:a ac3",
    "raw.aac": "{sound} -c:a aac -f adts",
    "8-bit.wav": "{sound} -c:a pcm_u8 -ar 8000 -ac 1",
    "24-bit.flac": "{sound} -c:a flac -sample_fmt s32 -bits_per_raw_sample 24 -ar 96000",
    "float.wav": "{sound} -c:a pcm_f32le -ar 192000",
    "talk.wav": "-f lavfi -i aevalsrc=0.05*sin(300*2*PI*t)*(1+sin(3*t)):s=22050:d=8 -c:a pcm_s16le",
    "talk.mkv": "{long_picture} -i @talk.wav {x264} -c:a libvorbis",
    "talk.webm": "{long_picture} -i @talk.wav -c:v libvpx -deadline realtime -c:a libopus",
    "talk.ts": "{long_picture} -i @talk.wav {x264} -c:a aac",
    "talk.avi": "{long_picture} -i @talk.wav -c:v mpeg4 -c:a libmp3lame",
    "talk.mp3": "-i @talk.wav -c:a libmp3lame",
    "talk.flac": "-i @talk.wav -c:a flac",
    "talk.ogg": "-i @talk.wav -c:a libvorbis",
    "talk.opus": "-i @talk.wav -c:a libopus",
    "long.mp3": "-f lavfi -i sine=300:sample_rate=8000:duration=120 -c:a libmp3lame -b:a 8k",
    # five seconds of which no two frames are alike, to be harmed
    "noise.mp3": "{noise} -c:a libmp3lame",
    "noise.vbr.mp3": "{noise} -c:a libmp3lame -q:a 5 -write_xing 0",
    "noise.mp2": "{noise} -c:a mp2",
    "noise.aac": "{noise} -c:a aac",
    "noise.ac3": "{noise} -c:a ac3",
    "noise.eac3": "{noise} -c:a eac3",
    "noise.dts": "{noise} -c:a dca -strict -2",
    "noise.amr": "{noise} -c:a libopencore_amrnb -ar 8000",
    "noise.flac": "{noise} -c:a flac",
    "noise.wv": "{noise} -c:a wavpack",
    "noise.tta": "{noise} -c:a tta",
    "noise.ogg": "{noise} -c:a libvorbis",
    "noise.opus": "{noise} -c:a libopus",
    "noise.oga": "{noise} -c:a flac -f ogg",
    "noise.wav": "{noise} -c:a pcm_s16le",
    "noise.rf64.wav": "{noise} -c:a pcm_s16le -rf64 always",
    "noise.aiff": "{noise} -c:a pcm_s16be",
    "noise.caf": "{noise} -c:a pcm_s16be",
    "noise.w64": "{noise} -c:a pcm_s16le",
    "noise.au": "{noise} -c:a pcm_s16be",
    "noise.wma": "{noise} -c:a wmav2",
    "noise.m4a": "{noise} -c:a aac -movflags +faststart",
    "noise.alac.m4a": "{noise} -c:a alac -movflags +faststart",
    "noise.mka": "{noise} -c:a flac",
    "noise.mkv": "{moving} {noise} {x264} -c:a libvorbis",
    "noise.webm": "{moving} {noise} -c:v libvpx -deadline realtime -c:a libopus",
    "noise.avi": "{moving} {noise} -c:v mpeg4 -c:a libmp3lame",
    "noise.pcm.avi": "{moving} {noise} -c:v mpeg4 -c:a pcm_s16le",
    "noise.ts": "{moving} {noise} {x264} -c:a aac",
    "noise.ac3.ts": "{moving} {noise} {x264} -c:a ac3",
    "noise.flv": "{moving} {noise} -c:v flv -c:a libmp3lame -ar 44100",
    "longer-picture.avi": "{moving} {noise} -c:v mpeg4 -c:a libmp3lame -af atrim=end=4",
    "late-sound.wma": "-itsoffset 0.4 {noise} -c:a wmav2",
    # what a container may hold besides
    "cover.png": "{image}",
    "cover.jpg": "{image}",
    "cover.bmp": "{image}",
    "cover.gif": "{image}",
    "cover.webp": "{image} -c:v libwebp",
    "cover.avif": "{image} -c:v libaom-av1 -still-picture 1 -cpu-used 8",
    "cover.mp3": "-i @clip.mp3 -i @cover.png -map 0:a -map 1:v -c copy -disposition:v attached_pic",
    "cover.m4a": "-i @clip.m4a -i @cover.jpg -map 0:a -map 1:v -c copy -disposition:v attached_pic",
    "cover.flac": "-i @clip.flac -i @cover.png -map 0:a -map 1:v -c copy -disposition:v attached_pic",
    "bmp-cover.m4a": "-i @clip.m4a -i @cover.bmp -map 0:a -map 1:v -c copy -disposition:v attached_pic",
    "gif-cover.mkv": "-i @clip.mkv -map 0 -c copy -attach @cover.gif -metadata:s:t mimetype=image/gif"
    " -metadata:s:t filename=cover.gif",
    "webp-cover.flac": "-i @clip.flac -i @cover.webp -map 0:a -map 1:v -c copy"
    " -disposition:v attached_pic",
    "cover.mkv": "-i @clip.mkv -map 0 -c copy -attach @cover.jpg -metadata:s:t mimetype=image/jpeg"
    " -metadata:s:t filename=cover.jpg",
    "cover.mp4": "-i @clip.mp4 -i @cover.jpg -map 0 -map 1:v -c copy -disposition:v:1 attached_pic",
    "chapters.m4b": "-i @clip.m4a -i @chapters.txt -map 0:a -map_metadata 0 -map_chapters 1"
    " -c copy -f mp4",
    "chapters.mkv": "-i @clip.mkv -i @chapters.txt -map 0 -map_metadata 0 -map_chapters 1 -c copy",
    # tags, chapters and a cover
    "all-said.mp3": "-i @clip.mp3 -i @cover.png -i @chapters.txt -map 0:a -map 1:v -map_metadata 0"
    " -map_chapters 2 -c copy -disposition:v attached_pic",
    "all-said.m4b": "-i @chapters.m4b -i @cover.jpg -map 0:a -map 1:v -c copy -f mp4"
    " -disposition:v attached_pic",
    "all-said.mkv": "-i @chapters.mkv -map 0 -c copy -attach @cover.jpg -metadata:s:t mimetype=image/jpeg"
    " -metadata:s:t filename=cover.jpg",
    "two-tracks.mkv": "{picture} {sound} {second_sound} -map 0 -map 1 -map 2 {x264} -c:a flac"
    " -disposition:a:0 0 -disposition:a:1 default -metadata:s:a:0 title=Stereo"
    " -metadata title=Film",
    "two-tracks.mp4": "{picture} {sound} {second_sound} -map 0 -map 1 -map 2 {x264} -c:a aac"
    " -disposition:a:0 0 -disposition:a:1 default",
    "subtitles.mkv": "-i @clip.mkv -i @subtitles.srt -map 0 -map 1 -c copy",
    "subtitles.mp4": "-i @clip.mp4 -i @subtitles.srt -map 0 -map 1 -c copy -c:s mov_text",
    "data-stream.mp4": "-i @clip.mp4 -map 0 -map 0:v -c copy -c:v:1 copy -timecode 01:00:00:00",
    "font.mkv": "-i @clip.mkv -map 0 -c copy -attach @subtitles.srt -metadata:s:t mimetype=font/ttf",
    # channels
    "surround.mp4": "{picture} {surround} {x264} -c:a aac",
    "surround-side.mkv": "{picture} {surround} {x264} -c:a ac3",
    "surround.flac": "{surround} -c:a flac",
    "six-channels.wav": "{surround} -c:a pcm_s16le -bitexact -f wav",
    "quad.flac": "{sound} -c:a flac -af pan=quad|c0=c0|c1=c1|c2=c0|c3=c1",
    "2.1.flac": "{sound} -c:a flac -af pan=2.1|c0=c0|c1=c1|c2=c0",
    "surround-7.1.flac": "{surround} -c:a flac -af pan=7.1|c0=c0|c1=c1|c2=c2|c3=c3|c4=c4|c5=c5|c6=c4|c7=c5",
    "opposite.flac": "-f lavfi -i aevalsrc=0.3*sin({TONE}*2*PI*t)|-0.3*sin({TONE}*2*PI*t):s=22050"
    ":d={SECONDS} -c:a flac",
    "bass-alone.flac": "{surround} -c:a flac -af pan=5.1|LFE=c3",
    # depths
    "16-bit.wav": "-i @talk.wav -c:a pcm_s16le -t 1",
    "24-bit.wav": "-i @talk.wav -c:a pcm_s24le -t 1 -ar 96000",
    "32-bit.wav": "-i @talk.wav -c:a pcm_s32le -t 1",
    "64-bit.wav": "-i @talk.wav -c:a pcm_f64le -t 1",
    "24-bit.m4a": "-i @talk.wav -c:a alac -sample_fmt s32p -t 1",
    "float.wv": "-i @talk.wav -c:a wavpack -sample_fmt fltp -t 1",
    # several languages; what is said of none and what is default differ
    "languages.mkv": "{picture} {sound} {second_sound} -map 0 -map 1 -map 2 {x264} -c:a flac"
    " -metadata:s:a:0 language=jpn -metadata:s:a:1 language=ger -metadata:s:a:1 title=Kommentar"
    " -disposition:a:0 default -disposition:a:1 0",
    "everything.mkv": "{picture} {sound} {second_sound} -i @subtitles.srt -map 0 -map 1 -map 2 -map 3"
    " -map 3 {x264} -c:a:0 flac -c:a:1 ac3 -c:s:0 srt -c:s:1 ass -metadata:s:a:0 language=jpn"
    " -metadata:s:a:1 language=eng -metadata:s:a:1 title=Commentary -metadata:s:s:0 language=ger"
    " -disposition:a:0 0 -disposition:a:1 default -disposition:s:0 0 -disposition:s:1 forced"
    " -attach @subtitles.srt -metadata:s:t mimetype=font/ttf -metadata:s:t filename=x.ttf",
    # no decoder minds what is not there: the second track lacks 2 of 5 seconds
    "hole-in-the-second-track.mkv": "{long_picture} -i @talk.wav -i @talk.wav -map 0 -map 1 -map 2 {x264}"
    " -t 5 -c:a libvorbis -bsf:a:1 noise=amount=0:drop='between(n\\,40\\,83)'",
    "aac-twice.mp4": "{picture} {sound} {surround} -map 0 -map 1 -map 2 {x264} -c:a aac",
    # depth and colours
    "hdr10.mkv": "{small} -vf format=yuv420p10le,{bt2020}:color_trc=smpte2084 -c:v libx265 -x265-params"
    " log-level=none:hdr10=1:max-cll=1000,400:master-display=G(13250,34500)B(7500,3000)R(34000,16000)"
    "WP(15635,16450)L(10000000,1)",
    "hlg.mp4": "{small} -vf format=yuv420p10le,{bt2020}:color_trc=arib-std-b67 -c:v libx265 -x265-params"
    " log-level=none",
    "rgb.mkv": "{small} -vf format=rgb24 -c:v ffv1",
    "full-range.avi": "{small} -pix_fmt yuvj420p -c:v mjpeg -q:v 2",
    "pal.mpg": "{small} -r 25 -vf setparams=colorspace=bt470bg:color_primaries=bt470bg:color_trc=bt470bg"
    " -c:v mpeg2video",
    "ntsc.mpg": "{small} -r 25 -c:v mpeg2video -vf"
    " setparams=colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m",
    "hd.mp4": "{small} -vf setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709 {x264}",
    "4-4-4.mp4": "{small} -pix_fmt yuv444p -c:v libx264 -preset ultrafast",
    # fields
    "fields.mpg": "{fields} -vf tinterlace=interleave_top,setfield=tff -c:v mpeg2video -b:v 2M"
    " -flags +ilme+ildct",
    "fields.mkv": "{fields} -vf tinterlace=interleave_bottom,setfield=bff -c:v ffv1",
    "fields-unsaid.mkv": "{fields} -vf tinterlace=interleave_top,setfield=prog {x264}",
    "fields-unsaid-bottom.mkv": "{fields} -vf tinterlace=interleave_bottom,setfield=prog {x264}",
    # pictures
    "odd-size.mkv": "{odd_picture} {mono} -c:v ffv1 -c:a flac",
    "rotated.mp4": "-display_rotation 90 -i @clip.mp4 -map 0 -c copy",
    "10-bit.mkv": "{picture} {mono} -c:v libx264 -preset ultrafast -pix_fmt yuv422p10le -c:a flac",
    "alpha.mov": "{picture} {mono} -c:v qtrle -pix_fmt argb -c:a pcm_s16le",
    "interlaced.mpg": "{picture} {mono} -r 25 -c:v mpeg2video -flags +ilme+ildct -c:a mp2",
    "variable-rate.mkv": "{picture} {mono} -vf select='not(mod(n\\,3))+lt(n\\,7)' -fps_mode vfr"
    " {x264} -c:a flac",
    "anamorphic.mkv": "{picture} {mono} -vf setsar=16/15 {x264} -c:a flac",
    # clocks
    "late-audio.mp4": "{picture} -itsoffset 0.8 {mono} -map 0 -map 1 {x264} -c:a aac",
    "late-audio.mkv": "{picture} -itsoffset 0.8 {mono} -map 0 -map 1 {x264} -c:a flac",
    "short-audio.mp4": "{picture} {mono} -map 0 -map 1 {x264} -c:a aac -af atrim=end=1.2",
    "edit-list.mp4": "-ss 0.73 -i @clip.mp4 -map 0 -c copy",
    "negative-start.mkv": "{picture} -itsoffset -0.4 {mono} -map 0 -map 1 {x264} -c:a flac"
    " -avoid_negative_ts disabled",
    # later than ffmpeg looks for the beginning of streams by itself
    "later-sound.ts": "-f lavfi -i testsrc2=size=64x48:rate=5:duration=20 -itsoffset 17 {mono}"
    " -map 0 -map 1 {x264} -c:a aac",
    "late-start.ts": "-i @clip.ts -map 0 -c copy -output_ts_offset 3000",
    "fragmented.mp4": "-i @clip.mp4 -map 0 -c copy -movflags +frag_keyframe+empty_moov",
    "vbr-without-xing.mp3": "{sound} -c:a libmp3lame -ar 44100 -q:a 5 -write_xing 0",
    "constant-rate.mp3": "{sound} -c:a libmp3lame -b:a 128k -write_xing 0",
    "id3v1.mp3": "{sound} -c:a libmp3lame -write_id3v1 1 {tags}",
    # short, silent, without
    "short.mp4": "{picture} {mono} {x264} -c:a aac -t 0.05",
    "short.mp3": "{sound} -c:a libmp3lame -t 0.05",
    "short.wav": "{sound} -c:a pcm_s16le -t 0.05",
    "silent.mp4": "{picture} -f lavfi -i anullsrc=duration=2 {x264} -c:a aac",
    "no-audio.mp4": "{picture} {x264}",
    "end-moov.mp4": "-i @clip.mp4 -map 0 -c copy",
    "zero-length-audio.mp4": "{picture} {mono} -map 0 -map 1 {x264} -c:a aac -af atrim=end=0",
    "five-samples.wav": "{sound} -c:a pcm_s16le -af atrim=end_sample=5",
    "empty-audio.wav": "{sound} -c:a pcm_s16le -af atrim=end=0",
}

_TEXTS = {
    "chapters.txt": ";FFMETADATA1\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=Öne\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Two\n",
    "subtitles.srt": "1\n00:00:00,100 --> 00:00:01,500\nHello\n",
    "text.mp4": "this is no film\n" * 50,
    "empty.mp4": "",
}


@dataclass(frozen=True)
class Media:
    """Files of all kinds, good and bad, by name."""

    folder: Path
    ffmpeg: str

    def __call__(self, name: str) -> Path:
        """The file called *name*; not to be changed."""
        path = self.folder / name
        if not path.exists():
            # tests that run beside this one see all of a file or nothing
            unfinished = self.folder / f"{os.getpid()}.unfinished" / name
            unfinished.parent.mkdir(exist_ok=True)
            self._make(name, unfinished)
            unfinished.replace(path)
        return path

    def put(self, name: str, *targets: Path) -> Path:
        """Copy the file called *name* to each of *targets*; returns the last one."""
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self(name), target)
        return targets[-1]

    def _make(self, name: str, path: Path) -> None:
        if name in _TEXTS:
            path.write_text(_TEXTS[name], encoding="utf-8")
        elif name in _CHANGED:
            source, change = _CHANGED[name]
            path.write_bytes(change(self(source).read_bytes()))
        elif name == "live.webm":
            path.write_bytes(
                self.run(
                    "-i", str(self("clip.webm")), "-c", "copy", "-f", "webm", "-live", "1", "-"
                )
            )
        else:
            arguments = shlex.split(_MADE[name].format(**_WORDS))
            self.run(*(str(self(a[1:])) if a[0] == "@" else a for a in arguments), str(path))

    def run(self, *arguments: str) -> bytes:
        """Run ffmpeg; returns what it wrote to standard output."""
        command = [self.ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", "-y", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout


def make_media(folder: Path) -> Media:
    """Media that is kept in *folder*."""
    return Media(folder, get_ffmpeg_exe())


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _noise_inside(data: bytes) -> bytes:
    """Overwrite the part from 55 % to 60 % with what is neither sound nor picture."""
    start, end = len(data) * 55 // 100, len(data) * 60 // 100
    noise = bytes((i * 7919 + (i >> 3) * 31) % 256 for i in range(end - start))
    return data[:start] + noise + data[end:]


def _random(data: bytes) -> bytes:
    state, made = 1, bytearray()
    for _ in range(20_000):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        made.append(state >> 56)
    return bytes(made)


def _with_ape_tag(data: bytes) -> bytes:
    value = b"Ape title"
    item = struct.pack("<II", len(value), 0) + b"Title\0" + value
    footer = b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, 0) + bytes(8)
    return data + item + footer


def _with_lyrics_tag(data: bytes) -> bytes:
    lyrics = b"LYRICSBEGIN" + b"la la la " * 30
    return data + lyrics + b"%06d" % len(lyrics) + b"LYRICS200" + b"TAG" + bytes(125)


def _with_text_head(data: bytes) -> bytes:
    """As a stream that was saved from the radio begins: in the middle of a frame."""
    return data[len(data) // 3 + 100 :]


def _hole(data: bytes) -> bytes:
    """Overwrite a fifth with zeros: enough to swallow sound, and no header with it."""
    start, end = len(data) * 45 // 100, len(data) * 65 // 100
    return data[:start] + bytes(end - start) + data[end:]


_CHANGED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "truncated.mp4": ("clip.mp4", _half),
    "truncated.mkv": ("clip.mkv", _half),
    "truncated.wav": ("clip.wav", _half),
    "truncated.flac": ("clip.flac", _half),
    "truncated.mp3": ("clip.mp3", _half),
    "truncated.ogg": ("clip.ogg", _half),
    "no-moov.mp4": ("end-moov.mp4", _half),
    "corrupt.mp4": ("clip.mp4", _noise_inside),
    "corrupt.flac": ("clip.flac", _noise_inside),
    "random.mp4": ("empty.mp4", _random),
    "ape-tail.mp3": ("clip.mp3", _with_ape_tag),
    "both-tails.mp3": ("id3v1.mp3", _with_ape_tag),
    "lyrics-tail.mp3": ("clip.mp3", _with_lyrics_tag),
    **{
        f"hole.{suffix}": (f"talk.{suffix}", _hole)
        for suffix in ("mkv", "webm", "ogg", "opus", "ts", "flac", "avi", "mp3")
    },
    "radio.mp3": ("vbr-without-xing.mp3", _with_text_head),
    "radio.aac": ("raw.aac", _with_text_head),
    "cut-in-a-picture.ts": ("clip.ts", _with_text_head),
    "cut-in-a-frame.mp3": ("vbr-without-xing.mp3", lambda data: data[:-100]),
    "cut-in-a-frame.aac": ("raw.aac", lambda data: data[:-100]),
    "cut-in-a-frame.ts": ("clip.ts", lambda data: data[:-400]),
    "ape-tail-constant-rate.mp3": ("constant-rate.mp3", _with_ape_tag),
    "joined.ts": ("clip.ts", lambda data: data * 2),
    "padded.wav": ("clip.wav", lambda data: data + bytes(333)),
    "padded.mp4": ("clip.mp4", lambda data: data + bytes(5000)),
    "padded.flac": ("clip.flac", lambda data: data + b"TAG" + bytes(125)),
}
