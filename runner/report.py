"""The summary of a run, for people and for programs."""

from collections.abc import Mapping
from typing import Any

from runner.errors import ExitCode
from runner.followup import FollowUp
from runner.formatting import bytes_text, count_text, display_path, seconds_text
from runner.models import Conversion, Event, LeftOut, Notice, Plan, State
from runner.reasons import Reason, as_lines
from runner.totals import Report

JSON_VERSION = 1
_MANY = 4
"""From this many failures on, they are counted by reason."""


def as_text(report: Report, follow_up: FollowUp) -> list[str]:
    """Return the summary: counts, media, bytes, and the next command if there is one."""
    total = report.plan.files
    counts = {
        "converted": report.count(State.CONVERTED),
        "up to date": report.count(State.UP_TO_DATE),
        "failed": report.count(State.FAILED),
    }
    left = report.left
    if left:  # detached
        counts["still on Azure"] = left
    said = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing done"
    parts = [f"{count_text(total, 'file')}: {said}" if total > 1 else said]
    if counts["converted"]:
        media, seconds = report.media_seconds, report.seconds
        speed = f" ({media / seconds:.0f}x)" if seconds > 0 else ""
        parts.append(f"{seconds_text(media)} of media in {seconds_text(seconds)}{speed}")
        parts.append(f"{bytes_text(report.bytes_in)} -> {bytes_text(report.bytes_out)}")
    if report.sources:
        parts.append(sources_text(report.sources))
    lines = [*_tables(report), " · ".join(parts)]
    if left:
        run = report.plan.id
        lines.append(
            f"collect the rest with `{follow_up.attach(run)}`, or cancel it with `{follow_up.cancel(run)}`"
        )
    if counts["failed"]:
        lines.append(f"why: {follow_up.logs} · retry: {follow_up.retry()}")
    return lines


def sources_text(counts: Mapping[str, int]) -> str:
    """Return what happened to sources that were not to be kept, as in "sources: 7 deleted, 1 kept"."""
    return f"sources: {', '.join(f'{count} {state}' for state, count in sorted(counts.items()))}"


def _tables(report: Report) -> list[str]:
    """Return the notices, and the reasons of failures if there are too many to read one by one."""
    lines = []
    if report.notices:
        count = count_text(report.with_notices, "file")
        lines += [f"{count} converted with a notice:", *as_lines(report.notices)]
    if report.count(State.FAILED) >= _MANY:
        failed = count_text(report.count(State.FAILED), "file")
        lines += [f"{failed} failed:", *as_lines(report.failures)]
    return lines


def plan_line(plan: Plan, conversion: Conversion, decision: str) -> str:
    """A line of `--dry-run`."""
    source = display_path(conversion.source.path)
    target = display_path(plan.shown(conversion.target))
    return f"{decision:10}  {source} -> {target}  {bytes_text(max(conversion.source.size, 0))}"


def left_out_line(one: LeftOut) -> str:
    """Return the line of `--dry-run` for a file that would not be converted."""
    return f"left out    {display_path(one.conversion.source.path)}  {one.failure.message}"


def plan_as_json(conversion: Conversion, decision: str) -> dict[str, Any]:
    """Return a line of `--dry-run --json`."""
    return {
        "v": JSON_VERSION,
        "event": "plan",
        "do": decision,
        "source": conversion.source.path,
        "target": conversion.target,
        "bytes": conversion.source.size,
    }


def looking_as_json(files: int) -> dict[str, Any]:
    """Return a line of `--json` while files are looked for: how many were found so far."""
    return {"v": JSON_VERSION, "event": "looking", "files": files}


def run_as_json(plan: Plan, where: str, pool: str) -> dict[str, Any]:
    """Return the first line of `--json`: what is about to be done."""
    return {
        "v": JSON_VERSION,
        "event": "run",
        "run": plan.id,
        "where": where,
        "pool": pool or None,
        "destination": str(plan.address or plan.destination),
        "files": plan.files,
    }


def event_as_json(event: Event) -> dict[str, Any]:
    """Return the line of `--json` for the end of an attempt."""
    source = event.conversion.source
    failure, result = event.failure, event.result
    return {
        "v": JSON_VERSION,
        "event": "file",
        "source": source.path,
        "target": event.conversion.target,
        "state": event.state.value,
        "attempt": event.attempt,
        "seconds": round(event.seconds, 3),
        "in": {"bytes": source.size, "seconds": event.media_total},
        "out": result and {"bytes": result.size, "sha256": result.sha256},
        "failure": failure and {"kind": failure.kind.value, "message": failure.message},
        "tried": not event.is_known,
        "notices": list(event.notices),
    }


def notice_as_json(notice: Notice) -> dict[str, Any]:
    """A line of `--json` for what concerns the run as a whole, or what became of a source."""
    if notice.source is not None:
        one = notice.source
        facts = {"source": one.path, "state": one.state, "to": one.place or None}
        return {"v": JSON_VERSION, "event": "source", **facts, "reason": one.reason or None}
    return {"v": JSON_VERSION, "event": "notice", "message": notice.message}


def report_as_json(report: Report, exit_code: ExitCode) -> dict[str, Any]:
    """Return the last line of `--json` for a run that finished."""
    return {
        "v": JSON_VERSION,
        "event": "summary",
        "run": report.plan.id,
        "converted": report.count(State.CONVERTED),
        "up_to_date": report.count(State.UP_TO_DATE),
        "failed": report.count(State.FAILED),
        "with_notices": report.with_notices,
        "failures": [_reason_as_json(reason) for reason in report.failures],
        "sources": dict(report.sources),
        "files": report.plan.files,
        "seconds": round(report.seconds, 3),
        "exit_code": int(exit_code),
    }


def _reason_as_json(reason: Reason) -> dict[str, Any]:
    return {"kind": reason.kind, "reason": reason.text, "files": reason.files}


def error_as_json(message: str, exit_code: ExitCode) -> dict[str, Any]:
    """Return the last line of `--json` for a run that ended early."""
    return {"v": JSON_VERSION, "event": "error", "message": message, "exit_code": int(exit_code)}
