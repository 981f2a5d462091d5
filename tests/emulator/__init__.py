"""An emulated Azure Batch on this machine, which can misbehave on request. See README.md."""

from tests.emulator.account import Limits, Settings, Timings
from tests.emulator.emulator import Emulator
from tests.emulator.errors import BatchError
from tests.emulator.faults import Fault
from tests.emulator.virtual import VirtualTasks

__all__ = ["BatchError", "Emulator", "Fault", "Limits", "Settings", "Timings", "VirtualTasks"]
