"""The program on a node: convert one file, and write a record of the outcome.

runner packs `runner/media` as a zip application. Azure Batch puts the source in the working directory
before it starts, and uploads the result and the record when it ends.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import replace

from runner.media.environment import without_secrets
from runner.media.failures import ConversionError, Failure, Kind
from runner.media.ffmpeg import Limits
from runner.media.order import ORDER, PIECE, RESULT, Order, piece_file
from runner.media.pieces import UnsplittableError
from runner.media.record import RECORD, Record
from runner.media.splitting import encode_piece
from runner.media.target import from_os
from runner.media.work import ConversionResult, Work
from runner.media.worker import convert


def main() -> int:
    """Do the conversion; the exit code is 0 for a verified result."""
    # taken out, as it may have signatures, and the programs that are started get the environment
    order = Order.from_json(os.environ.pop(ORDER))
    started = time.time()
    if order.is_piece:
        return _make_piece(order)
    try:
        record = _carried_out(order)
    except ConversionError as error:
        failure = _on_node(error.failure)
        sys.stderr.write(f"{failure.kind.value}: {failure.message}\n")
        record = Record(kind=failure.kind.value, message=failure.message, log=failure.log)
    notices = (*([order.notice] if order.notice else []), *record.notices)
    record = replace(
        record, notices=notices, started=started, ended=time.time(), versions=_versions()
    )
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write(record.as_json())
    return 1 if record.kind else 0


def _make_piece(order: Order) -> int:
    """Encode one piece of a film; the exit code is 0 unless another attempt may help.

    If it cannot be encoded by itself, the result is an empty file: the task that joins the pieces then
    converts the film in one.
    """
    assert order.cut is not None
    (piece,) = order.cut.pieces
    try:
        os.replace(encode_piece(_work(order), piece), PIECE)
    except UnsplittableError as error:
        sys.stderr.write(f"{error}\n")
    except ConversionError as error:
        sys.stderr.write(f"{error.failure.kind.value}: {error.failure.message}\n")
        if error.failure.kind not in (Kind.INPUT, Kind.SETTINGS):
            return 1
    with open(PIECE, "ab"):
        return 0


def _carried_out(order: Order) -> Record:
    """Convert, and return the record of the success.

    Raises:
        ConversionError: There is none.
    """
    if order.target is None:
        return _success(convert(_work(order)))
    from runner.media.blob_requests import BlobRequests, Identity  # noqa: PLC0415 - as in `Order.from_json`
    from runner.media.blob_target import TargetBlobClient, store_result  # noqa: PLC0415 - as above

    token = Identity(order.identity) if order.identity else None
    blob = TargetBlobClient(order.target, BlobRequests(token, order.target_signature))
    if (made := blob.made()) is not None:
        # an attempt whose record was lost with its node has not worked in vain
        notices = tuple(made.notices.splitlines())
        seconds = made.media_seconds
        return Record(size=made.size, sha256=made.sha256, media_seconds=seconds, notices=notices)

    def check_source() -> None:
        if order.source_blob is not None:
            order.source_blob.check(token)

    check_source()  # else the work might be for nothing
    result = convert(_work(order))
    try:
        made = store_result(blob, _target(order), result, before_commit=check_source)
    except OSError as error:
        raise from_os(error) from error
    os.unlink(_target(order))
    return replace(_success(result), size=made.size, sha256=made.sha256)


def _on_node(failure: Failure) -> Failure:
    """Return *failure* with the hint that the problem is on the node, for readers elsewhere."""
    if failure.kind is not Kind.ENVIRONMENT:
        return failure
    message = f"on the node: {failure.message}"
    if shutil.which("ffmpeg") is None:
        message = (
            "the node has no ffmpeg; `runner doctor` shows why its start task did not put it there"
        )
    return Failure(failure.kind, message, failure.log)


def _work(order: Order) -> Work:
    is_join = order.cut is not None and not order.is_piece
    ready = order.cut.pieces if order.cut is not None and is_join else ()
    pieces = tuple(os.path.abspath(piece_file(piece)) for piece in ready)
    return Work(
        source=os.path.abspath(order.source),
        target=_target(order),
        scratch=os.path.abspath("scratch"),
        name=RESULT,
        recipe=order.recipe,
        limits=Limits(seconds=order.seconds),
        size=order.size,
        cut=None if order.is_piece else order.cut,
        pieces=pieces,
    )


def _target(order: Order) -> str:
    return os.path.abspath(RESULT + order.recipe.suffix)


def _success(made: ConversionResult) -> Record:
    return Record(
        size=made.size,
        sha256=made.sha256,
        media_seconds=made.media_seconds,
        encoded=made.encoded,
        log=made.log,
        notices=made.notices,
    )


def _versions() -> str:
    try:
        command = ["ffmpeg", "-version"]  # the one that the start task put on PATH
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=without_secrets()
        )
    except OSError as error:
        return f"Python {platform.python_version()}, no ffmpeg: {error.strerror}"
    return (
        f"Python {platform.python_version()}, {done.stdout.splitlines()[0] if done.stdout else '?'}"
    )


if __name__ == "__main__":
    sys.exit(main())
