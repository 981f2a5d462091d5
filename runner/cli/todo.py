"""What a plan comes to where some of its results exist: what is left to do, and the lines of a dry run."""

import json
from array import array

from runner.cli.output import ManyLines, OutputOptions, say, show
from runner.conversions import Conversions
from runner.models import Plan
from runner.overwrite import Action, OverwritePolicy
from runner.report import left_out_line, plan_as_json, plan_line

_TO_DO = (Action.CONVERT, Action.REPLACE)


def left_to_do(plan: Plan, policy: OverwritePolicy) -> Conversions:
    """Return the conversions of *plan* to be done, as far as names and the ledger tell."""
    decisions = enumerate(policy.decisions(plan))
    indices = (index for index, (_, decision) in decisions if decision.action in _TO_DO)
    return Conversions.of(plan.conversions).only(indices)


def show_plan(plan: Plan, policy: OverwritePolicy, output: OutputOptions) -> Conversions:
    """Print the output of `--dry-run`, line by line as it is decided; return what is to be converted."""
    indices = array("I")
    lines = ManyLines()
    for index, (conversion, decision) in enumerate(policy.decisions(plan)):
        action = decision.action
        if action in _TO_DO:
            indices.append(index)
        if output.as_json:
            lines.write(json.dumps(plan_as_json(conversion, action.value)))
        elif not output.quiet:
            lines.write(plan_line(plan, conversion, action.value))
    lines.flush()
    if damage := policy.ledger.damage:
        say(
            f"Warning: {damage}: a run will rename it, start a new one, and check the results again"
        )
    for one in plan.left_out:
        if output.as_json:
            show(json.dumps(plan_as_json(one.conversion, "left out")))
        say(left_out_line(one))
    say(f"dry run: {len(indices)} of {plan.files} files to convert, nothing done")
    return Conversions.of(plan.conversions).only(indices)
