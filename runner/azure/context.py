"""What the steps of a run on Azure share: its options, its blob names, and its tasks in Batch."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.addresses import BlobAddress
from runner.azure.add_tasks import TaskAdder
from runner.azure.blobs import Blobs
from runner.azure.deployment import Deployment
from runner.azure.early_copies import EarlyCopies
from runner.azure.flac_copies import FlacCopies
from runner.azure.jobs import Jobs
from runner.azure.names import BlobNames
from runner.azure.node_reads import NodeReads
from runner.azure.pace import Pace
from runner.azure.results import CloudResults
from runner.azure.stored import StoredRun
from runner.azure.task_spec import NodeUpload
from runner.azure.work_items import InFlightTasks
from runner.media.target import Replaceable
from runner.models import Conversion, Event, NodeUse, Notice, TargetState
from runner.moved_results import MoveNotes
from runner.options import RunOptions
from runner.result_blobs import result_blob


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One run: what its threads share, and how they report."""

    run: str
    destination: Path
    scratch: Path
    """A folder for unfinished files."""
    deployment: Deployment
    options: RunOptions
    pace: Pace
    ffmpeg: str
    """The ffmpeg that extracts the audio of films before the upload."""
    jobs: Jobs
    adder: TaskAdder
    blobs: Blobs
    blob_names: BlobNames
    reads: NodeReads
    """How nodes read what was in storage before."""
    report: Callable[[Event | Notice | NodeUse], None]
    stored: StoredRun
    stopped: threading.Event
    """Set when the run is over or stopped."""
    in_flight: InFlightTasks
    at_limit: threading.Event = field(default_factory=threading.Event)
    """Set when nothing more may be begun, as it would cost too much."""
    wound_down: threading.Event = field(default_factory=threading.Event)
    """Set when, after that, nothing runs any more."""
    files: int = 1
    """The number of conversions of this run."""
    replaces: Mapping[str, TargetState] = field(default_factory=dict)
    """As in `Plan`."""
    results: CloudResults | None = None
    """Where results stay; None if they are downloaded."""
    result_signature: Callable[[BlobAddress], str] = lambda _: ""
    """What a node needs behind the address of a result that stays."""
    flac_copies: FlacCopies = field(default_factory=FlacCopies)
    early_copies: EarlyCopies = field(default_factory=EarlyCopies)

    @property
    def notes(self) -> MoveNotes:
        """Those of results that are moved into place."""
        return MoveNotes(self.run, self.scratch)

    def node_upload(self, conversion: Conversion) -> NodeUpload | None:
        """Return how the node stores the result of *conversion*, if results stay in the cloud.

        Raises:
            ConversionError: It can have no such name.
        """
        if self.results is None:
            return None
        anything = self.options.overwrite == "always"
        replaces = self.replaces.get(conversion.target)
        target = self.results.target_of(conversion, self.run, replaces, anything=anything)
        blob = result_blob(self.results.address, conversion.target)
        return NodeUpload(target, self.result_signature(blob))

    def replaceable(self, conversion: Conversion) -> Replaceable:
        """Return which file the result of *conversion* may replace."""
        return self.options.replaceable(self.replaces.get(conversion.target))
