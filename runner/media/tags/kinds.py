"""Tell by its first bytes how a file keeps its tags."""

from __future__ import annotations

_ID3_HEADER = 10
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_OGG = (
    (b"\x01vorbis", "oggvorbis.OggVorbis"),
    (b"OpusHead", "oggopus.OggOpus"),
    (b"\x7fFLAC", "oggflac.OggFLAC"),
    (b"Speex   ", "oggspeex.OggSpeex"),
    (b"\x80theora", "oggtheora.OggTheora"),
)
# a place in the file's head, what stands there, how the file keeps its tags, and mutagen's class
_MAGIC = (
    (0, b"fLaC", "vorbis", "flac.FLAC"),
    *((4, atom, "mp4", "mp4.MP4") for atom in (b"ftyp", b"moov", b"mdat", b"wide", b"skip")),
    (0, _ASF, "asf", "asf.ASF"),
    (0, b"MAC ", "ape", "monkeysaudio.MonkeysAudio"),
    (0, b"wvpk", "ape", "wavpack.WavPack"),
    (0, b"MPCK", "ape", "musepack.Musepack"),
    (0, b"MP+", "ape", "musepack.Musepack"),
    (0, b"tBaK", "ape", "tak.TAK"),
    (0, b"OFR ", "ape", "optimfrog.OptimFROG"),
    (8, b"WAVE", "id3", "wave.WAVE"),
    *((8, form, "id3", "aiff.AIFF") for form in (b"AIFF", b"AIFC")),
    (0, b"DSD ", "id3", "dsf.DSF"),
    (0, b"FRM8", "id3", "dsdiff.DSDIFF"),
    # sound without a container: MP3 and ADTS, AC-3, TTA
    *((0, start, "mp3", "") for start in (b"\xff", b"\x0b\x77", b"TTA")),
)


def kind_of(path: str) -> tuple[str, str]:
    """Return how the file at *path* keeps its tags, and mutagen's class for it.

    The first is "vorbis", "mp4", "asf", "ape", "id3" for one in a chunk, or "mp3" for tags that
    stand before and behind the sound; and is empty for what only ffmpeg reads.
    """
    head, is_tagged = _head(path)
    if head[:4] == b"OggS":
        # the first packet begins behind the page's header, whose last byte counts 255ths
        return "vorbis", next((name for magic, name in _OGG if magic in head[:64]), "")
    for place, magic, kind, name in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return ("", "") if head[:4] == b"RF64" else (kind, name)
    return ("mp3", "") if is_tagged else ("", "")


def _head(path: str) -> tuple[bytes, bool]:
    """Return the first bytes after an ID3v2 tag, and whether there is one."""
    with open(path, "rb") as file:
        head = file.read(128)
        if head[:3] != b"ID3":
            return head, False
        size = 0
        for byte in head[6:_ID3_HEADER]:
            size = size << 7 | byte & 0x7F
        file.seek(size + _ID3_HEADER)
        return file.read(128), True
