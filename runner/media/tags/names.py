"""What each tag format calls a field: one row a field, and its name with us is that of Vorbis.

The names are those of MusicBrainz Picard's mapping, which other taggers follow.
https://picard-docs.musicbrainz.org/en/appendices/tag_mapping.html
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Names(NamedTuple):
    """What the formats call one field; empty where a format has no name for it."""

    field: str
    """With us, and in Vorbis comments."""
    id3: str = ""
    """A frame, or "TXXX:description"."""
    mp4: str = ""
    """An atom, or the name of a freeform one."""
    asf: str = ""
    ape: str = ""
    others: tuple[str, ...] = ()
    """Further names in upper case, by which tags are found that other programs wrote."""


TABLE = (
    Names("TITLE", "TIT2", "©nam", "Title", "Title"),
    Names("SUBTITLE", "TIT3", "SUBTITLE", "WM/SubTitle", "Subtitle"),
    Names("ARTIST", "TPE1", "©ART", "Author", "Artist", ("IARTIST",)),
    Names("ARTISTS", "TXXX:ARTISTS", "ARTISTS", "WM/ARTISTS", "Artists"),
    Names("ALBUM", "TALB", "©alb", "WM/AlbumTitle", "Album"),
    Names(
        *("ALBUMARTIST", "TPE2", "aART", "WM/AlbumArtist", "Album Artist"),
        ("ALBUM_ARTIST",),
    ),
    Names("DATE", "TDRC", "©day", "WM/Year", "Year", ("YEAR", "DATE_RELEASED")),
    Names(
        *("ORIGINALDATE", "TDOR", "ORIGINALDATE", "WM/OriginalReleaseTime", "ORIGINALDATE"),
        ("WM/ORIGINALRELEASEYEAR",),
    ),
    Names("ORIGINALYEAR", "TXXX:originalyear", "ORIGINALYEAR"),
    Names("RELEASEDATE", "TDRL", "RELEASEDATE"),
    Names("CREATION_TIME", "TDEN"),
    Names("GENRE", "TCON", "©gen", "WM/Genre", "Genre"),
    Names("TRACKNUMBER", "TRCK", "trkn", "WM/TrackNumber", "Track", ("PART_NUMBER",)),
    Names("TRACKTOTAL", others=("TOTALTRACKS", "TOTAL_TRACKS", "TRACKC")),
    Names("DISCNUMBER", "TPOS", "disk", "WM/PartOfSet", "Disc", ("DISKNUMBER",)),
    Names("DISCTOTAL", others=("TOTALDISCS", "TOTAL_DISCS", "DISCC")),
    Names("DISCSUBTITLE", "TSST", "DISCSUBTITLE", "WM/SetSubTitle", "DiscSubtitle"),
    Names("COMPILATION", "TCMP", "cpil", "WM/IsCompilation", "Compilation"),
    Names("COMMENT", "", "©cmt", "Description", "Comment", ("WM/COMMENTS",)),
    Names("DESCRIPTION", "TXXX:DESCRIPTION", "desc", "WM/SubTitleDescription", "Description"),
    Names("SYNOPSIS", "TDES", "ldes", others=("PODCASTDESC",)),
    Names("LYRICS", "", "©lyr", "WM/Lyrics", "Lyrics", ("UNSYNCEDLYRICS", "UNSYNCED LYRICS")),
    Names("COMPOSER", "TCOM", "©wrt", "WM/Composer", "Composer"),
    Names("LYRICIST", "TEXT", "LYRICIST", "WM/Writer", "Lyricist"),
    Names("CONDUCTOR", "TPE3", "CONDUCTOR", "WM/Conductor", "Conductor", ("©CON",)),
    Names("REMIXER", "TPE4", "REMIXER", "WM/ModifiedBy", "MixArtist", ("REMIXERS",)),
    Names("ARRANGER", "", "ARRANGER", "WM/ArrangedBy", "Arranger", ("©ARG",)),
    Names("ENGINEER", "", "ENGINEER", "WM/Engineer", "Engineer"),
    Names("PRODUCER", "", "PRODUCER", "WM/Producer", "Producer", ("©PRD",)),
    Names("DJMIXER", "", "DJMIXER", "WM/DJMixer", "DJMixer"),
    Names("MIXER", "", "MIXER", "WM/Mixer", "Mixer"),
    Names("PERFORMER", "", "PERFORMER", "WM/Performer", "Performer"),
    Names("ORIGINALARTIST", "TOPE", "ORIGINALARTIST", "WM/OriginalArtist", "Original Artist"),
    Names("ORIGINALALBUM", "TOAL", "ORIGINALALBUM", "WM/OriginalAlbumTitle"),
    Names("ORIGINALLYRICIST", "TOLY", "ORIGINALLYRICIST", "WM/OriginalLyricist"),
    Names("ORIGINALFILENAME", "TOFN", "ORIGINALFILENAME", "WM/OriginalFilename"),
    Names("GROUPING", "TIT1", "©grp", "WM/ContentGroupDescription", "Grouping", ("GRP1",)),
    Names("WORK", "TXXX:WORK", "©wrk", "WM/Work", "WORK"),
    Names("MOVEMENTNAME", "MVNM", "©mvn", "", "MOVEMENTNAME"),
    Names("MOVEMENT", "MVIN", "©mvi", "", "MOVEMENT"),
    Names("MOVEMENTTOTAL", "", "©mvc", "", "MOVEMENTTOTAL"),
    Names("BPM", "TBPM", "tmpo", "WM/BeatsPerMinute", "BPM", ("TEMPO",)),
    Names("INITIALKEY", "TKEY", "initialkey", "WM/InitialKey", "KEY"),
    Names("ISRC", "TSRC", "ISRC", "WM/ISRC", "ISRC"),
    Names("LABEL", "TPUB", "LABEL", "WM/Publisher", "Label", ("ORGANIZATION", "PUBLISHER", "©PUB")),
    Names("CATALOGNUMBER", "TXXX:CATALOGNUMBER", "CATALOGNUMBER", "WM/CatalogNo", "CatalogNumber"),
    Names("BARCODE", "TXXX:BARCODE", "BARCODE", "WM/Barcode", "Barcode", ("UPC", "EAN/UPC")),
    Names("ASIN", "TXXX:ASIN", "ASIN", "ASIN", "ASIN"),
    Names("COPYRIGHT", "TCOP", "cprt", "Copyright", "Copyright", ("©CPY",)),
    Names("LICENSE", "WCOP", "LICENSE", "LICENSE", "LICENSE"),
    Names("URL", "WXXX", "©url", "WM/URL", "URL"),
    Names("WEBSITE", "WOAR", "WEBSITE", "WM/AuthorURL", "Weblink"),
    # Mp3tag's names: https://docs.mp3tag.de/mapping-table/
    Names("WWWCOMMERCIALINFO", "WCOM", "WWWCOMMERCIALINFO", "WM/PromotionURL"),
    Names("WWWAUDIOFILE", "WOAF", "WWWAUDIOFILE", "WM/AudioFileURL"),
    Names("WWWAUDIOSOURCE", "WOAS", "WWWAUDIOSOURCE", "WM/AudioSourceURL"),
    Names("WWWRADIOPAGE", "WORS", "WWWRADIOPAGE"),
    Names("WWWPAYMENT", "WPAY", "WWWPAYMENT"),
    Names("WWWPUBLISHER", "WPUB", "WWWPUBLISHER"),
    Names("LANGUAGE", "TLAN", "LANGUAGE", "WM/Language", "Language"),
    Names("MOOD", "TMOO", "MOOD", "WM/Mood", "Mood"),
    Names("MEDIA", "TMED", "MEDIA", "WM/Media", "Media"),
    Names("SCRIPT", "TXXX:SCRIPT", "SCRIPT", "WM/Script", "Script"),
    Names(
        "ENCODEDBY", "TENC", "ENCODEDBY", "WM/EncodedBy", "EncodedBy", ("ENCODED-BY", "ENCODED_BY")
    ),
    Names("KEYWORDS", "TKWD", "keyw"),
    Names("PODCASTCATEGORY", "TCAT", "catg"),
    Names("PODCASTURL", "WFED", "purl"),
    Names("PODCASTID", "TGID", "egid"),
    Names("SHOW", "TXXX:SHOW", "tvsh", others=("TVSHOW",)),
    Names("EPISODE_ID", "TXXX:EPISODE_ID", "tven", others=("TVEPISODEID",)),
    Names("EPISODE_SORT", "TXXX:EPISODE_SORT", "tves", others=("TVEPISODE",)),
    Names("SEASON_NUMBER", "TXXX:SEASON_NUMBER", "tvsn", others=("TVSEASON",)),
    Names("NETWORK", "TXXX:NETWORK", "tvnn", others=("TVNETWORK",)),
    Names(
        *("TITLESORT", "TSOT", "sonm", "WM/TitleSortOrder", "TITLESORT"),
        ("TITLE-SORT", "SORT_NAME"),
    ),
    Names(
        *("ARTISTSORT", "TSOP", "soar", "WM/ArtistSortOrder", "ARTISTSORT"),
        ("ARTIST-SORT", "SORT_ARTIST"),
    ),
    Names(
        *("ALBUMSORT", "TSOA", "soal", "WM/AlbumSortOrder", "ALBUMSORT"),
        ("ALBUM-SORT", "SORT_ALBUM"),
    ),
    Names(
        *("ALBUMARTISTSORT", "TSO2", "soaa", "WM/AlbumArtistSortOrder", "ALBUMARTISTSORT"),
        ("SORT_ALBUM_ARTIST",),
    ),
    Names(
        *("COMPOSERSORT", "TSOC", "soco", "WM/ComposerSortOrder", "COMPOSERSORT"),
        ("SORT_COMPOSER",),
    ),
    Names("SHOWSORT", "TXXX:SHOWSORT", "sosn", others=("SORT_SHOW",)),
    *(
        Names(f"MUSICBRAINZ_{field}", f"TXXX:{words}", words, words.replace(" ", "/", 1))
        for field, words in (
            ("RELEASETRACKID", "MusicBrainz Release Track Id"),
            ("ALBUMID", "MusicBrainz Album Id"),
            ("ARTISTID", "MusicBrainz Artist Id"),
            ("ALBUMARTISTID", "MusicBrainz Album Artist Id"),
            ("RELEASEGROUPID", "MusicBrainz Release Group Id"),
            ("WORKID", "MusicBrainz Work Id"),
            ("DISCID", "MusicBrainz Disc Id"),
            ("TRMID", "MusicBrainz TRM Id"),
            ("ORIGINALALBUMID", "MusicBrainz Original Album Id"),
            ("ORIGINALARTISTID", "MusicBrainz Original Artist Id"),
        )
    ),
    Names("MUSICBRAINZ_TRACKID", "", "MusicBrainz Track Id", "MusicBrainz/Track Id"),
    Names(
        *("RELEASECOUNTRY", "TXXX:MusicBrainz Album Release Country"),
        *("MusicBrainz Album Release Country", "MusicBrainz/Album Release Country"),
    ),
    Names(
        *("RELEASESTATUS", "TXXX:MusicBrainz Album Status"),
        *("MusicBrainz Album Status", "MusicBrainz/Album Status", ""),
        ("MUSICBRAINZ_ALBUMSTATUS",),
    ),
    Names(
        *("RELEASETYPE", "TXXX:MusicBrainz Album Type"),
        *("MusicBrainz Album Type", "MusicBrainz/Album Type", ""),
        ("MUSICBRAINZ_ALBUMTYPE",),
    ),
    Names("ACOUSTID_ID", "TXXX:Acoustid Id", "Acoustid Id", "Acoustid/Id"),
    Names(
        *("ACOUSTID_FINGERPRINT", "TXXX:Acoustid Fingerprint"),
        *("Acoustid Fingerprint", "Acoustid/Fingerprint"),
    ),
    *(
        # players look for exactly these cases
        Names(name, f"TXXX:{name}", name.lower(), name.lower(), name)
        for name in (
            *("REPLAYGAIN_TRACK_GAIN", "REPLAYGAIN_TRACK_PEAK", "REPLAYGAIN_TRACK_RANGE"),
            *("REPLAYGAIN_ALBUM_GAIN", "REPLAYGAIN_ALBUM_PEAK", "REPLAYGAIN_ALBUM_RANGE"),
            "REPLAYGAIN_REFERENCE_LOUDNESS",
        )
    ),
)

FORMATS = ("id3", "mp4", "asf", "ape")

_BY_FIELD = {names.field: names for names in TABLE}
# a name that two formats use for different fields has each format's meaning there
_BY_NAME = {
    form: {getattr(names, form).removeprefix("TXXX:").upper(): names.field for names in TABLE}
    for form in FORMATS
}
_ANYWHERE = {other: names.field for names in TABLE for other in names.others}
for _form in FORMATS:
    _ANYWHERE = {**_BY_NAME[_form], **_ANYWHERE}
_ANYWHERE |= {field: field for field in _BY_FIELD}

_GAIN = ("REPLAYGAIN_", "R128_", "ITUNNORM", "LOUDNESS_")
# About the stream, the container or the program that wrote them: not true of the result.
_JUNK = frozenset(
    (
        *("ENCODER", "ENCODERSETTINGS", "ENCODER_OPTIONS", "ENCODING PARAMS", "ITUNSMPB"),
        *("ITUNPGAP", "CDEC", "MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "DURATION"),
        *("HANDLER_NAME", "VENDOR_ID", "BPS", "NUMBER_OF_BYTES", "NUMBER_OF_FRAMES"),
        *("SOURCE_ID", "SOURCE ID", "GAPLESS_PLAYBACK", "MEDIA_TYPE", "TIMECODE"),
        *("STEREO_MODE", "ALPHA_MODE", "TLEN", "TSSE", "TSIZ", "TFLT", "TDTG"),
        *("ISVBR", "ASFLEAKYBUCKETPAIRS", "BUFFER AVERAGE", "VBR PEAK", "PEAKVALUE"),
        *("AVERAGELEVEL", "DEVICECONFORMANCETEMPLATE", "SEEKABLE", "STRIDABLE", "BROADCAST"),
        *("WM/ENCODINGSETTINGS", "WM/ENCODINGTIME", "WMFSDKVERSION", "WMFSDKNEEDED"),
        *("METADATA_BLOCK_PICTURE", "COVERART", "COVERARTMIME", "COVERARTDESCRIPTION"),
        "WAVEFORMATEXTENSIBLE_CHANNEL_MASK",
    )
)
_JUNK_STARTS = re.compile(
    r"_STATISTICS_|MP3GAIN_|WM/WMADRC|WM/MEDIACLASS|CHAPTER\d{3}(?:NAME|URL)?$"
)


def field_of(name: str, form: str = "") -> str:
    """Return the field that *form*, one of `FORMATS`, calls *name*; else the one that any format calls so.

    A name that none knows is a field of its own.
    """
    key = name.upper()
    return _BY_NAME.get(form, {}).get(key) or _ANYWHERE.get(key) or name


def is_first_name(name: str, field: str, form: str) -> bool:
    """Return whether *name* is the preferred name of *field* in *form*."""
    column = getattr(names_of(field), form) if form in FORMATS else ""
    return name.upper() == (column.removeprefix("TXXX:") or field).upper()


def is_known(field: str) -> bool:
    """Return whether *field* is in the table rather than somebody's own."""
    return field in _BY_FIELD


def names_of(field: str) -> Names:
    """Return what the formats call *field*."""
    return _BY_FIELD.get(field) or Names(field)


def is_junk(field: str) -> bool:
    """Return whether *field* is about the container or a program rather than the work."""
    name = field.upper()
    return name in _JUNK or _JUNK_STARTS.match(name) is not None


def is_gain(field: str) -> bool:
    """Return whether *field* tells players how loud the audio is."""
    return field.upper().startswith(_GAIN)
