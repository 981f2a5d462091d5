"""Find out why ffmpeg failed from its log, and whether the input or the output is at fault.

Since ffmpeg 7, a prefix names the component that logs: `[in#0`, `[aist#` and `[dec:` read the source;
`[out#`, `[aost#`, `[enc:` and `[af#` make the target. Up to 6, only the message itself tells. A decoder
that finds damage continues with the next packet, so once the source is open, nearly every failure is on
the output side. The user's file is only blamed if ffmpeg says so.
"""

from __future__ import annotations

import re

from runner.media.failures import Kind, fault_lines

_OPENED = re.compile(r"^(?:\[[^\]]*\] )*Input #0, ", re.MULTILINE)
# Errors about ffmpeg's own command line, before it opens any file.
_COMMAND_LINE = re.compile(
    r"Error splitting the argument list|Error parsing global options"
    r"|Error parsing options for (?:in|out)put|Failed to set value|Unrecognized option"
)
_PLACE: tuple[tuple[str, Kind, str], ...] = (
    (r"No space left on device", Kind.ENVIRONMENT, "the disk is full"),
    (r"Disk quota exceeded", Kind.ENVIRONMENT, "the disk quota is used up"),
    (r"Read-only file system", Kind.ENVIRONMENT, "the file system is read-only"),
)
# Errors about a source that could not be opened.
_UNOPENED: tuple[tuple[str, Kind, str], ...] = (
    (r"No such file or directory", Kind.INPUT, "the file is gone"),
    (r"moov atom not found", Kind.INPUT, "not a whole media file: moov atom not found"),
    (r"Input/output error", Kind.TRANSIENT, "the disk or network reported an i/o error"),
    (r"Permission denied", Kind.ENVIRONMENT, "no permission to read the file"),
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
        "its header is damaged: it asks for more memory than there is",
    ),
    (r"", Kind.INPUT, "not a media file, or its header is damaged"),
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
    (r"does not contain any stream", Kind.INPUT, "no stream that can be converted"),
)
_ENCODING = r"Error (?:encoding a frame|submitting \w+ frame to the encoder)|(?:Audio|Video) encoding failed"
# Errors about settings; the first pattern that matches names the cause. `{0}` is the first group that
# matched. Collected from ffmpeg 4.2, 5.1, 7.0 and 9.0, whose words differ.
_SETTINGS: tuple[tuple[str, str], ...] = (
    (r"Unknown encoder '([^']*)'", "this ffmpeg has no encoder '{0}'"),
    (r"Unrecognized option '([^']*)'", "ffmpeg does not know the option '{0}'"),
    (r"No such filter: '([^']*)'", "this ffmpeg has no filter '{0}'"),
    (r"Unknown bitstream filter (\S+)", "this ffmpeg has no bitstream filter '{0}'"),
    (r"bitstream filter sequence '([^']*)'", "this ffmpeg has no bitstream filter '{0}'"),
    (
        r"Unable to (?:find|choose) a(?:n| suitable)? output format",
        "ffmpeg does not know a format for this suffix",
    ),
    (r"Requested output format '([^']*)'", "ffmpeg does not know the format '{0}'"),
    (
        r"Option (\S+) \(.*cannot be applied to output",
        "-{0} is for the input, and these arguments are for the output",
    ),
    (r"Invalid input file index:? (\d+)", "there is only one input, number 0, and no number {0}"),
    (r"Failed to set value '([^']*)' for option 'map'", "'-map {0}' fits no stream of this file"),
    (r"Stream map '([^']*)' matches no streams", "'-map {0}' fits no stream of this file"),
    (r"Invalid stream specifier: (.*?)\.?$", "'{0}' does not name a stream"),
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
    (r"Invalid encoder type '([^']*)'", "'{0}' is not an encoder for this stream"),
    (r"codec copy was selected", "a stream that is copied cannot be filtered"),
    (r"not divisible by 2 \((\S+)\)", "the encoder only accepts even sizes, not {0}"),
    (r"invalid (preset|tune|profile):? '?([^'\n]*)'?", "the encoder has no {0} '{1}'"),
    (r"Cannot load (lib(?:cuda|nvcuvid|nvidia|mfx|vpl)\S*)", "no GPU for {encoder} here: no {0}"),
    (r"MFX session", "no GPU for {encoder} here"),
    (
        r"Specified (sample rate|sample format|channel layout|pixel format) '?(.*?)'? is (?:invalid|not)",
        "{encoder} does not accept the {0} {1}",
    ),
    (
        r"(?:Could not find tag for codec|codec not currently supported in container:?) (\S+)",
        "this container cannot hold {0}",
    ),
    (
        r"(Only .* are supported for WebM|Exactly one .* is required)",
        "the container rejects it: {0}",
    ),
    (
        r"Impossible to convert between the formats",
        "a filter or encoder needs another kind of picture or audio, such as a GPU's",
    ),
    (
        r"^(?:\[in#[1-9]\S* @ \w+\] )?\[error\] (?:Error opening input|([^\s:\[\]]+)): No such file",
        "another input cannot be opened",
    ),
    (r"Picture size (\S+) is invalid", "a picture of {0} is too large"),
)
# Other errors of the output, and general errors about settings.
_UNFORESEEN: tuple[tuple[str, Kind, str], ...] = (
    # What an allocator says when it runs out. ffmpeg's own "Cannot allocate memory" is no sign of
    # it: parsers and encoders say it of sizes that make no sense, and Linux kills who takes too much.
    (
        r"malloc of size \d+ failed|std::bad_alloc|[Mm]emory allocation fail",
        Kind.TRANSIENT,
        "out of memory",
    ),
    (_ENCODING, Kind.INPUT, "{encoder} cannot encode what was decoded"),
    (r"Permission denied", Kind.ENVIRONMENT, "no permission to write the result"),
    (r"Input/output error", Kind.TRANSIENT, "the disk or network reported an i/o error"),
    (
        r"Error while opening encoder",
        Kind.SETTINGS,
        "the encoder {encoder} rejects these settings: {cause}",
    ),
    (
        r"Could not write header",
        Kind.SETTINGS,
        "the container does not accept this content: {cause}",
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
    (r"", Kind.SETTINGS, "ffmpeg rejects these settings: {cause}"),
)
# Consequences, which come after the cause and do not explain it.
_CONSEQUENCE = re.compile(
    r"Task finished with|Terminating thread|Nothing was written|Error sending frames to consumers"
    r"|Could not open encoder before EOF|Error opening output file|Error while opening encoder"
    r"|Error (?:initializing|reinitializing)|Conversion failed|Could not write header|^\s*$"
    r"|Failed to inject frame|Error while processing the decoded data"
)
# Optional streams, which a file may not have.
_ONE_OF_A_KIND = re.compile(
    r"(?:Failed to set value|Stream map) '(?:0:(?P<kind>[avV])\b(?::(?P<number>\d+))?[^']*)'(?: matches no| for option 'map')"
)
_ENCODER = re.compile(r"\[enc:(\w+)|\[[vas]ost#0:\d+/(\w+)| -> \S+ \((\w+)(?: \(native\))?\)\)")
_SPEAKER = re.compile(r"\[(\w+) @ ")
"""The component that logs a line; for an encoder, its name."""
_CODEC = re.compile(r"\[[vas]ist#0:\d+/(\w+)|Stream #0:\d+\S*: Audio: (\w+)")
_AUDIO = re.compile(r"Stream #0:\d+\S*: Audio: ")
_TOO_MANY_ERRORS = 69
"""ffmpeg's exit code if more than two thirds of a stream do not decode
(`-max_error_rate`, https://ffmpeg.org/ffmpeg.html#Advanced-options)."""
_UNFINISHED = ("mp4als", "wmavoice", "als")
"""Codecs that ffmpeg only decodes in part, reporting the rest as damage."""
_UNSUPPORTED = re.compile(r"[Nn]ot (?:yet )?implemented|patches welcome|is not supported")


def classify_log(log: str, *, source: str = "", code: int = 1) -> tuple[Kind, str]:
    """Return the kind and a one-line message for an ffmpeg that ended with the exit *code*.

    *log* is its log about the file *source*, at level info or above.
    """
    # a file may have any name, even "[error] No space left on device"
    log = log.replace(f"file:{source}: ", "").replace(source, "") if source else log
    faults = [line for line in log.splitlines() if fault_lines(line)]
    text = "\n".join(faults)
    if found := _find(_PLACE, text):
        return found
    if missing := _ONE_OF_A_KIND.search(text):
        audio = no_audio_stream(int(missing["number"] or 0), len(_AUDIO.findall(log)))
        return Kind.INPUT, audio if missing["kind"] == "a" else "no video stream"
    if not _COMMAND_LINE.search(text):
        if faults and not _OPENED.search(log):
            return _find(_UNOPENED, text) or (Kind.INPUT, "not a media file")
        if found := _find(_NO_DECODER, text, codec=codec_of(log)):
            return found
        if code == _TOO_MANY_ERRORS or "Decode error rate" in text:
            return Kind.INPUT, undecodable(log)
    return _of_settings(log, faults)


def no_audio_stream(number: int, count: int) -> str:
    """Return the message for a file with *count* audio streams of which none has the *number*."""
    if number < count or not count:
        return "no audio stream"
    there = "the only one is 0" if count == 1 else f"they are 0 to {count - 1}"
    return f"no audio stream {number}: {there}"


def cause_of(log: str) -> str:
    """Return the first error in *log* that is not a consequence of another, in ffmpeg's words."""
    return _cause([line for line in log.splitlines() if fault_lines(line)])


def undecodable(log: str) -> str:
    """Return the message about a stream that does not decode."""
    if _UNSUPPORTED.search(log):
        return f"this ffmpeg cannot decode it ({codec_of(log)})"
    return decoded_in_part(log) or "damaged: almost nothing of it can be decoded"


def decoded_in_part(log: str) -> str:
    """Return the message if ffmpeg does not support all of a codec, else ""."""
    codec = codec_of(log)
    return f"this ffmpeg cannot decode all of it ({codec})" if codec in _UNFINISHED else ""


def codec_of(log: str) -> str:
    """Return the codec of the stream that was decoded, as ffmpeg calls it."""
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
    """Return the first error that is not a consequence of another, without its prefixes."""
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
