"""Read the source's tags, fit them to the result, and write them there; imports mutagen."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from runner.media.tags import (
    ONLY_FFMPEGS,
    TaggingError,
    TaggingJob,
    ape,
    asf,
    changes_gain,
    id3,
    mp4,
    vorbis,
)
from runner.media.tags.ffmetadata import read
from runner.media.tags.kinds import kind_of
from runner.media.tags.model import FRONT
from runner.media.tags.reading import HOSTILE, open_as, read_tags

if TYPE_CHECKING:
    from runner.media.tags.ffmetadata import Chapter
    from runner.media.tags.model import Tags

_UNREADABLE = "the source's tags are damaged: only what ffmpeg could read of them was kept"


def carry(job: TaggingJob) -> tuple[str, ...]:
    """Give the result the source's tags; returns what is lost, a sentence each.

    Raises:
        TaggingError: The result was being written to, and is not to be trusted any more.
        OSError: A file cannot be read.
    """
    kind, name = kind_of(job.result)
    if kind == "" or (kind == "mp3" and job.recipe.suffix.lower() != ".mp3"):
        return ()  # ffmpeg gives these what tags they can have
    pairs, chapters = read(job.metadata)
    if not job.recipe.keeps_length:
        chapters = []  # they would be at other times
    tags, is_whole = read_tags(job.source, pairs)
    if changes_gain(job.recipe):
        tags.drop_gain()
    notices = [] if is_whole else [_UNREADABLE]
    if not (tags.pictures or (is_whole and kind_of(job.source)[0])):
        # in a container that mutagen knows, what ffmpeg calls a cover may be one of its chapters'
        tags.pictures = job.picture_tool.taken_out(job.source, job.covers)
    notices += _fit_pictures(job, tags, kind, name)
    try:
        file, lost = _put(job, tags, kind, name, chapters)
    except HOSTILE as error:
        return (*notices, f"{ONLY_FFMPEGS}: {type(error).__name__}: {error}")
    try:
        file.save(**_how_to_save(kind, job.recipe.id3))
    except HOSTILE as error:
        raise TaggingError(f"{type(error).__name__}: {error}") from error
    suffix = job.recipe.suffix
    return (*notices, *(f"{suffix} cannot hold the tag {one}" for one in lost))


def _put(
    job: TaggingJob, tags: Tags, kind: str, name: str, chapters: list[Chapter]
) -> tuple[Any, list[str]]:
    """Return the opened result with its new *tags*, not yet saved, and what it cannot hold."""
    if kind == "mp3":
        file = id3.open_head(job.result)
        id3.put(file, tags, (), version=job.recipe.id3)  # ffmpeg has written the chapters
        return file, []
    file = open_as(name, job.result)
    if file.tags is None:
        file.add_tags()
    if kind == "vorbis":
        return file, vorbis.put(file, tags, chapters)
    if kind == "mp4":
        mp4.put(file.tags, tags)
    elif kind == "id3":
        id3.put(file.tags, tags, chapters, version=job.recipe.id3)
    elif kind == "asf":
        asf.put(file.tags, tags)
    else:
        ape.put(file.tags, tags)
        return file, [f"of {len(chapters)} chapters"] if chapters else []
    return file, []


def _how_to_save(kind: str, version: str) -> dict[str, Any]:
    """Mutagen's options for the version of ID3."""
    return {"v2_version": 3} if kind in ("mp3", "id3") and version == "2.3" else {}


def _fit_pictures(job: TaggingJob, tags: Tags, kind: str, name: str) -> list[str]:
    """Have the pictures of *tags* in a form for the result; returns what is lost."""
    # many players show the first
    pictures = sorted((p for p in tags.pictures if p.data), key=lambda p: p.type != FRONT)
    tags.pictures, lost = [], []
    for picture in pictures:
        shown = job.picture_tool.shown(picture)
        if shown is None and picture.mime.startswith("image/") and kind not in ("mp4", "asf"):
            shown = picture
        if shown is None:
            lost.append(
                "a picture in the source is damaged or of an unknown kind, and was left out"
            )
        elif name == "flac.FLAC" and len(shown.data) > vorbis.LARGEST_PICTURE:
            lost.append("a picture is larger than the 16 MB that FLAC can hold, and was left out")
        else:
            tags.pictures.append(shown)
    return lost


def copy_atoms(source: str, copy: str) -> None:
    """Give *copy* the tags of *source*; both are MP4."""
    with suppress(*HOSTILE):
        if atoms := open_as("mp4.MP4", source).tags:
            file = open_as("mp4.MP4", copy)
            if file.tags is None:
                file.add_tags()
            file.tags.clear()
            file.tags.update(atoms)
            file.save()
