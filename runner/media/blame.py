"""Who and what is at fault where ffmpeg failed: its words name the side, input or output.

Since ffmpeg 7 a prefix names the part that speaks: `[in#0`, `[aist#`, `[dec:` read the source,
`[out#`, `[aost#`, `[enc:`, `[af#` make the target. Up to 6 only the sentence tells. A decoder that
meets damage goes on with the next packet, so once the source is open nearly every failure is one of
the output's side; nothing is held against the user's file that ffmpeg does not say of it.
"""

from __future__ import annotations

import re

from runner.media.failures import Kind, fault_lines

_OPENED = re.compile(r"^(?:\[[^\]]*\] )*Input #0, ", re.MULTILINE)
# What ffmpeg says of its own command line, before it looks at any file.
_COMMAND_LINE = re.compile(
    r"Error splitting the argument list|Error parsing global options"
    r"|Error parsing options for (?:in|out)put|Failed to set value|Unrecognized option"
)
_PLACE: tuple[tuple[str, Kind, str], ...] = (
    (r"No space left on device", Kind.ENVIRONMENT, "the disk is full"),
    (r"Disk quota exceeded", Kind.ENVIRONMENT, "the disk quota is used up"),
    (r"Read-only file system", Kind.ENVIRONMENT, "the file system is read-only"),
)
# Of a source that could not be opened.
_UNOPENED: tuple[tuple[str, Kind, str], ...] = (
    (r"No such file or directory", Kind.INPUT, "the file is gone"),
    (r"moov atom not found", Kind.INPUT, "not a whole media file: moov atom not found"),
    (r"Input/output error", Kind.TRANSIENT, "the disk or network reported an i/o error"),
    (r"Permission denied", Kind.ENVIRONMENT, "no right to read the file"),
    (
        r"[Nn]ot (?:yet )?implemented|patches welcome|not supported|[Uu]nsupported",
        Kind.INPUT,
        "this ffmpeg cannot read this kind of file",
    ),
    # A parser refuses a size that a damaged head asks for in these words. When Linux itself runs
    # out of memory, it kills ffmpeg; so this is of the file, and no use trying again.
    (
        r"Cannot allocate memory",
        Kind.INPUT,
        "its head is damaged: it asks for more memory than there is",
    ),
    (r"", Kind.INPUT, "not a media file, or its head is damaged"),
)
_NO_DECODER: tuple[tuple[str, Kind, str], ...] = (
    (
        r"Decoder \(codec none\) not found|no decoder found for: none",
        Kind.INPUT,
        "this ffmpeg does not know its codec",
    ),
    (
        r"Decoder \(codec ([^)]+)\) not found|no decoder found for: (\S+)",
        Kind.INPUT,
        "this ffmpeg cannot decode {0}",
    ),
    (r"Error while opening decoder", Kind.INPUT, "this ffmpeg cannot decode {codec}"),
    (
        r"Cannot determine format of input|Neither number of channels nor channel layout",
        Kind.INPUT,
        "damaged: none of it can be decoded",
    ),
    (r"does not contain any stream", Kind.INPUT, "no stream that could be converted"),
)
_ENCODING = r"Error (?:encoding a frame|submitting \w+ frame to the encoder)|(?:Audio|Video) encoding failed"
# Of settings; the first pattern that is found names the fault. `{0}` is the first group that
# matched. Collected from ffmpeg 4.2, 5.1, 7.0 and 9.0, whose words differ.
_SETTINGS: tuple[tuple[str, str], ...] = (
    (r"Unknown encoder '([^']*)'", "this ffmpeg has no encoder '{0}'"),
    (r"Unrecognized option '([^']*)'", "ffmpeg knows no option '{0}'"),
    (r"No such filter: '([^']*)'", "this ffmpeg has no filter '{0}'"),
    (r"Unknown bitstream filter (\S+)", "this ffmpeg has no bitstream filter '{0}'"),
    (r"bitstream filter sequence '([^']*)'", "this ffmpeg has no bitstream filter '{0}'"),
    (
        r"Unable to (?:find|choose) a(?:n| suitable)? output format",
        "ffmpeg knows no format for this suffix",
    ),
    (r"Requested output format '([^']*)'", "ffmpeg knows no format '{0}'"),
    (
        r"Option (\S+) \(.*cannot be applied to output",
        "-{0} is for the input, and these arguments are for the output",
    ),
    (r"Invalid input file index:? (\d+)", "there is one input, number 0, and no number {0}"),
    (r"Failed to set value '([^']*)' for option 'map'", "'-map {0}' fits no stream of this file"),
    (r"Stream map '([^']*)' matches no streams", "'-map {0}' fits no stream of this file"),
    (r"Invalid stream specifier: (.*?)\.?$", "'{0}' names no stream"),
    (r"Could not open attachment file (.*?)\.?$", "the attachment {0} cannot be opened"),
    (r"\[Parsed_\S+ @[^\]]*\] (?:\[\w+\] )?Unable to open (.*)", "the file {0} cannot be opened"),
    (r"\[Parsed_\S+ @[^\]]*\] (?:\[\w+\] )?(.*): No such file", "the file {0} cannot be opened"),
    (r"Error applying option '([^']*)' to filter '[^']*'", "the filter has no option '{0}'"),
    (
        r"\[Parsed_\S+ @[^\]]*\] (?:\[\w+\] )?Option '([^']*)' not found",
        "the filter has no option '{0}'",
    ),
    (r"Error setting option (\S+) to value (.*?)\.?$", "bad value for {0}: {1}"),
    (r"Unable to parse (?:\"\w+\" )?option value \"([^\"]*)\"", "bad option value '{0}'"),
    (r"Expected number for (\S+) but found: (.*)", "bad value for {0}: {1}"),
    (r"Invalid duration (?:specification )?for (?:option )?(\S+): (.*)", "bad value for {0}: {1}"),
    (r"Invalid frame size: (.*?)\.?$", "bad value for s: {0}"),
    (r"Invalid framerate value: (.*)", "bad value for r: {0}"),
    (r"Unknown pixel format requested: (.*?)\.?$", "this ffmpeg has no pixel format '{0}'"),
    (r"Invalid sample format '([^']*)'", "this ffmpeg has no sample format '{0}'"),
    (r"Unknown channel layout: (.*)", "this ffmpeg has no channel layout '{0}'"),
    (r"Invalid encoder type '([^']*)'", "'{0}' is no encoder for this stream"),
    (r"codec copy was selected", "a stream that is copied cannot be filtered"),
    (r"not divisible by 2 \((\S+)\)", "the encoder takes even sizes only, not {0}"),
    (r"invalid (preset|tune|profile):? '?([^'\n]*)'?", "the encoder has no {0} '{1}'"),
    (r"Cannot load (lib(?:cuda|nvcuvid|nvidia|mfx|vpl)\S*)", "no GPU for {encoder} here: no {0}"),
    (r"MFX session", "no GPU for {encoder} here"),
    (
        r"Specified (sample rate|sample format|channel layout|pixel format) '?(.*?)'? is (?:invalid|not)",
        "{encoder} takes no {0} {1}",
    ),
    (
        r"(?:Could not find tag for codec|codec not currently supported in container:?) (\S+)",
        "this container cannot hold {0}",
    ),
    (r"(Only .* are supported for WebM|Exactly one .* is required)", "the container refuses: {0}"),
    (
        r"Impossible to convert between the formats",
        "a filter or encoder takes another kind of picture or sound, such as a GPU's",
    ),
    (
        r"^(?:\[in#[1-9]\S* @ \w+\] )?\[error\] (?:Error opening input|([^\s:\[\]]+)): No such file",
        "a further input cannot be opened",
    ),
    (r"Picture size (\S+) is invalid", "a picture of {0} is too large"),
)
# What else can happen to the output, and the general words for settings that do not work.
_UNFORESEEN: tuple[tuple[str, Kind, str], ...] = (
    # What an allocator says that was refused. ffmpeg's own "Cannot allocate memory" is no sign of
    # it: parsers and encoders say it of sizes that make no sense, and Linux kills who takes too much.
    (
        r"malloc of size \d+ failed|std::bad_alloc|[Mm]emory allocation fail",
        Kind.TRANSIENT,
        "out of memory",
    ),
    (_ENCODING, Kind.INPUT, "{encoder} cannot take what was decoded"),
    (r"Permission denied", Kind.ENVIRONMENT, "no right to write the result"),
    (r"Input/output error", Kind.TRANSIENT, "the disk or network reported an i/o error"),
    (
        r"Error while opening encoder",
        Kind.SETTINGS,
        "the encoder {encoder} refuses these settings: {cause}",
    ),
    (
        r"Could not write header",
        Kind.SETTINGS,
        "the container refuses what is put into it: {cause}",
    ),
    # Demuxers and decoders, which before ffmpeg 6 have no prefix that tells them from an encoder.
    (
        (
            r"corrupt (?:input|decoded)|Header missing|decode_\w+(?:\(\))?(?: failed|:)|[Ee]rror while decoding"
            r"|block unavailable|buffer exhausted|invalid residual|Invalid data found when processing input"
        ),
        Kind.INPUT,
        "damaged: not all of it can be read",
    ),
    (r"\A\Z", Kind.SETTINGS, "ffmpeg failed: {cause}"),
    (r"(?i:filter)", Kind.SETTINGS, "the filters do not fit together: {cause}"),
    (r"", Kind.SETTINGS, "ffmpeg refuses these settings: {cause}"),
)
# Consequences, which come after the cause and say nothing of it.
_CONSEQUENCE = re.compile(
    r"Task finished with|Terminating thread|Nothing was written|Error sending frames to consumers"
    r"|Could not open encoder before EOF|Error opening output file|Error while opening encoder"
    r"|Error (?:initializing|reinitializing)|Conversion failed|Could not write header|^\s*$"
    r"|Failed to inject frame|Error while processing the decoded data"
)
# A film's sound, and what a preset asks for: files have them or not.
_ONE_OF_A_KIND = re.compile(
    r"(?:Failed to set value|Stream map) '(?:0:(?P<kind>[avV])\b[^']*)'(?: matches no| for option 'map')"
)
_ENCODER = re.compile(r"\[enc:(\w+)|\[[vas]ost#0:\d+/(\w+)| -> \S+ \((\w+)(?: \(native\))?\)\)")
_SPEAKER = re.compile(r"\[(\w+) @ ")
"""The part that says a line: of an encoder its name."""
_CODEC = re.compile(r"\[[vas]ist#0:\d+/(\w+)|Stream #0:\d+\S*: Audio: (\w+)")
_TOO_MANY_ERRORS = 69
"""ffmpeg's exit code where more than two thirds of a stream do not decode."""
_UNFINISHED = ("mp4als", "wmavoice", "als")
"""Codecs of which ffmpeg decodes a part only, and takes the rest for damage."""
_UNSUPPORTED = re.compile(r"[Nn]ot (?:yet )?implemented|patches welcome|is not supported")


def classify_log(log: str, *, source: str = "", code: int = 1) -> tuple[Kind, str]:
    """The failure of a run of ffmpeg that ended with the exit *code*, as a kind and one line.

    *log* is what it said at level info or above of the file *source*.
    """
    # a file may be called as it likes, "[error] No space left on device" too
    log = log.replace(f"file:{source}: ", "").replace(source, "") if source else log
    faults = [line for line in log.splitlines() if fault_lines(line)]
    text = "\n".join(faults)
    if verdict := _find(_PLACE, text):
        return verdict
    if found := _ONE_OF_A_KIND.search(text):
        return Kind.INPUT, f"no {'audio' if found['kind'] == 'a' else 'video'} stream"
    if not _COMMAND_LINE.search(text):
        if faults and not _OPENED.search(log):
            return _find(_UNOPENED, text) or (Kind.INPUT, "not a media file")
        if verdict := _find(_NO_DECODER, text, codec=codec_of(log)):
            return verdict
        if code == _TOO_MANY_ERRORS or "Decode error rate" in text:
            return Kind.INPUT, undecodable(log)
    return _of_settings(log, faults)


def cause_of(log: str) -> str:
    """The first fault in *log* that is no consequence of another, in ffmpeg's words."""
    return _cause([line for line in log.splitlines() if fault_lines(line)])


def undecodable(log: str) -> str:
    """What to say of a stream that does not decode."""
    if _UNSUPPORTED.search(log):
        return f"this ffmpeg cannot decode it ({codec_of(log)})"
    return decoded_in_part(log) or "damaged: next to nothing of it can be decoded"


def decoded_in_part(log: str) -> str:
    """What to say where it is ffmpeg that does not know all of a codec; empty otherwise."""
    codec = codec_of(log)
    return f"this ffmpeg cannot decode all of it ({codec})" if codec in _UNFINISHED else ""


def codec_of(log: str) -> str:
    """The codec of the stream that was decoded, as ffmpeg calls it."""
    return _first(_CODEC, log) or "this codec"


def _of_settings(log: str, faults: list[str]) -> tuple[Kind, str]:
    text = "\n".join(faults)
    encoder = _first(_ENCODER, text) or _first(_ENCODER, log) or "the encoder"
    if re.search(_ENCODING, text) and (reason := decoded_in_part(log)):
        return Kind.INPUT, reason
    for pattern, message in _SETTINGS:
        if found := re.search(pattern, text, re.MULTILINE):
            groups = [group for group in found.groups() if group is not None]
            speaker = _SPEAKER.match(text, text.rfind("\n", 0, found.start()) + 1)
            who = speaker[1] if speaker and encoder != "the encoder" else encoder
            return Kind.SETTINGS, message.format(*groups, encoder=who)
    names = {"encoder": encoder, "cause": _cause(faults) or "it gave no reason"}
    return _find(_UNFORESEEN, text, **names) or (Kind.SETTINGS, "")


def _cause(faults: list[str]) -> str:
    """The first fault that is no consequence of another, without its prefixes."""
    causes = [line for line in faults if not _CONSEQUENCE.search(line)]
    return fault_lines(causes[0])[0].rstrip(".")[:200] if causes else ""


def _find(
    table: tuple[tuple[str, Kind, str], ...], text: str, **names: str
) -> tuple[Kind, str] | None:
    for pattern, kind, message in table:
        if found := re.search(pattern, text, re.MULTILINE):
            groups = [group for group in found.groups() if group is not None]
            return kind, message.format(*groups, **names)
    return None


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), "") if found else ""
