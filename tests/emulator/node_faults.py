"""What may befall a node: preempted and restored, lost, broken."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.emulator import nodes
from tests.emulator.errors import BatchError
from tests.emulator.states import ALLOWED, NodeState
from tests.emulator.work import node_folder

if TYPE_CHECKING:
    from tests.emulator.account import Account
    from tests.emulator.model import Node


def break_off(account: Account, node: Node) -> None:
    """Stop whatever goes on at *node*; that it is to be removed remains."""
    node.boot += 1
    if node.draining != "remove":
        node.draining = None
    nodes.lose_tasks(account, node)


def refuse_impossible(node: Node, to: NodeState) -> None:
    """Refuse what cannot befall a node in its state."""
    if to not in ALLOWED[NodeState][node.state]:
        raise BatchError("OperationNotValidOnNode", {"Reason": f"the node is {node.state}"})


def preempt(account: Account, node: Node) -> None:
    """Let the cloud take a Spot node back: its disk is lost, its tasks are active again."""
    refuse_impossible(node, NodeState.PREEMPTED)
    if node.dedicated:
        raise BatchError("OperationNotValidOnNode", {"Reason": "the node is dedicated"})
    break_off(account, node)
    nodes.change(account, node, NodeState.PREEMPTED)
    account.executor.wipe(node_folder(node))
    restore_after = account.settings.timings.restore
    if restore_after is not None:
        account.later(restore_after, partial(restore, account, node))


def restore(account: Account, node: Node) -> None:
    """Let a preempted node come back, with the same id and an empty disk."""
    if node.state == NodeState.PREEMPTED:
        nodes.change(account, node, NodeState.CREATING)
        node.start_task = None
        nodes.boot(account, node, account.settings.timings.creating)


def lose(account: Account, node: Node) -> None:
    """Break the contact with *node*; what ran there is active again."""
    refuse_impossible(node, NodeState.UNKNOWN)
    break_off(account, node)
    nodes.change(account, node, NodeState.UNKNOWN)


def make_unusable(account: Account, node: Node, code: str) -> None:
    """Let *node* break down; *code* is what its errors say."""
    refuse_impossible(node, NodeState.UNUSABLE)
    break_off(account, node)
    nodes.break_down(account, node, code)
