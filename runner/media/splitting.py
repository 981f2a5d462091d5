"""Encode the video of a film in pieces side by side, and have them joined without encoding them again.

A piece that is finished and counted stays in its folder under a name with its hash, so an attempt after
an interruption goes on with the pieces that are missing. Sound, subtitles and everything else are
made once, from the whole source, when the pieces are joined.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.media.encoding import Encoding
from runner.media.failures import fault_lines
from runner.media.ffmpeg import Ffmpeg, ProcessHandle
from runner.media.joining import Encoded, Joined
from runner.media.listing import list_in_detail
from runner.media.piece_encoder import (
    PieceEncoder,
    check_alike,
    check_count,
    list_in_order,
    position_of,
)
from runner.media.pieces import (
    Frames,
    Piece,
    Split,
    UnsplittableError,
    check_recipe,
    concat_list,
    plan_pieces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.media.ffmpeg import FfmpegResult
    from runner.media.listing import Packets
    from runner.media.pieces import Cut
    from runner.media.recipe import Recipe
    from runner.media.recipe_adapter import SplitPicture
    from runner.media.work import Progress, Work

_LIST = "list.txt"


def encode_pieces(encoding: Encoding, watch: Callable[[Progress], None]) -> str:
    """Encode the film of *encoding* in pieces, if its work says so; return why not, if there is something to say.

    Raises:
        ConversionError: A temporary error ended it. Finished pieces are kept.
        Stopped: The handle was cancelled. Finished pieces are kept.
    """
    work, picture = encoding.work, encoding.adapted.picture
    if work.cut is not None:
        return _take_pieces(encoding, work.cut, picture)
    split = work.split
    if split is None or (picture is None and encoding.recipe.film):
        return ""
    try:
        cut = cut_film(encoding.ffmpeg, encoding.input, work.recipe, picture, split)
        if cut is None:
            return ""
        assert picture is not None  # of a film that was cut
        encoded = PieceEncoder(encoding, split, picture, watch).encode(cut.pieces)
        encoding.join(Joined(encoded, _write_list(split.folder, encoded), cut.offset))
    except UnsplittableError as error:
        discard_pieces(encoding)
        return _said(str(error))
    return ""


def cut_film(
    ffmpeg: Ffmpeg,
    source: Sequence[str],
    recipe: Recipe,
    picture: SplitPicture | None,
    split: Split,
) -> Cut | None:
    """Cut the film that ffmpeg reads with the arguments *source*; None if nobody wants that.

    Raises:
        UnsplittableError: It cannot be cut.
    """
    if picture is None:
        if split.seconds is None or recipe.media != "video" or recipe.film:
            return None
        raise UnsplittableError("its arguments are your own")
    length = split.length(picture.media.duration or 0.0)
    if length is None:
        if split.seconds is None:
            return None
        raise UnsplittableError("it is too short")
    check_recipe(recipe, picture.media, picture.video, picture.samples)
    return plan_pieces(_frames(ffmpeg, source, picture), length)


def encode_piece(work: Work, piece: Piece) -> str:
    """Encode one *piece* of the film of *work*; return its path.

    Raises:
        UnsplittableError: It cannot be encoded by itself.
        ConversionError: A temporary error ended it.
    """
    encoding = Encoding(work, ProcessHandle(), lambda _: None)
    try:
        os.makedirs(work.scratch, exist_ok=True)
        encoding.prepare()
        picture = encoding.adapted.picture
        if picture is None:
            raise UnsplittableError("it has no video to encode")
        split = Split(folder=os.path.join(work.scratch, "pieces"), threads=work.threads)
        (encoded,) = PieceEncoder(encoding, split, picture, lambda _: None).encode((piece,))
        return encoded.path
    finally:
        encoding.clean_up()


def _take_pieces(encoding: Encoding, cut: Cut, picture: SplitPicture | None) -> str:
    """Take the pieces that were encoded elsewhere, if they are right; return why not."""
    if picture is None:
        return _said("it has no video to encode")
    paths = encoding.work.pieces
    try:
        encoded = tuple(
            _taken(encoding, piece, path) for piece, path in zip(cut.pieces, paths, strict=True)
        )
        check_alike(encoded)
    except UnsplittableError as error:
        return _said(str(error))
    encoding.join(Joined(encoded, _write_list(os.path.dirname(paths[0]), encoded), cut.offset))
    return ""


def _taken(encoding: Encoding, piece: Piece, path: str) -> Encoded:
    if os.path.getsize(path) == 0:
        raise UnsplittableError(f"{position_of(piece)} cannot be encoded by itself")
    packets = list_in_order(encoding.ffmpeg, path)
    check_count(piece, packets)
    return Encoded(path, packets)


def fault_of_join(encoding: Encoding, ran: FfmpegResult) -> str:
    """Return what is wrong with the video of a result that was joined; "" if it is what the pieces are."""
    joined = encoding.joined
    if joined is None:
        return ""
    if ran.code != 0:
        return _said("its pieces could not be joined")
    made, _ = list_in_detail(encoding.ffmpeg, ("-i", f"file:{encoding.result}"), "0:V:0")
    if made.sums != [each for piece in joined.pieces for each in piece.packets.sums]:
        return _said("the joined video differed from its pieces")
    if not _is_even(made, joined):
        return _said("the time stamps of its pieces did not fit together")
    return ""


def discard_pieces(encoding: Encoding) -> None:
    """Delete the finished pieces."""
    if encoding.work.split is not None:
        shutil.rmtree(encoding.work.split.folder, ignore_errors=True)
        with suppress(OSError):  # there may be those of other films
            os.rmdir(os.path.dirname(encoding.work.split.folder))


def _said(reason: str) -> str:
    return f"converted in one piece: {reason}"


def _is_even(made: Packets, joined: Joined) -> bool:
    """Return whether every frame is where the first one and the constant rate say."""
    count = sum(len(piece.packets.times) for piece in joined.pieces)
    if len(made.times) != count:
        return False
    step = joined.pieces[0].packets
    each = (step.times[1] - step.times[0]) * step.base
    most = 2 * made.base
    times = sorted(made.times)
    return all(
        abs((at - times[0]) * made.base - number * each) <= most for number, at in enumerate(times)
    )


def _frames(ffmpeg: Ffmpeg, source: Sequence[str], picture: SplitPicture) -> Frames:
    """List the source's frames, without decoding them."""
    packets, ran = list_in_detail(ffmpeg, source, f"0:{picture.video.index}")
    if ran.code != 0 or fault_lines(ran.log):
        raise UnsplittableError("it cannot be read without errors")
    if not packets.is_timed or not packets.keys or len(set(packets.times)) < len(packets.times):
        raise UnsplittableError("its frames have no time stamps of their own")
    return Frames(float(packets.base), tuple(sorted(packets.times)), tuple(sorted(packets.keys)))


def _write_list(folder: str, pieces: Sequence[Encoded]) -> str:
    path = os.path.join(folder, _LIST)
    names = [os.path.basename(piece.path) for piece in pieces]
    with open(path, "w", encoding="utf-8") as file:
        file.write(concat_list(names, [piece.length for piece in pieces]))
    return path
