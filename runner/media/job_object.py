"""Windows job objects: the processes in one end together with all their children, and with runner.

https://learn.microsoft.com/windows/win32/procthread/job-objects
"""

from __future__ import annotations

import ctypes
import sys
import threading
from ctypes import wintypes

_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_KILL_ON_JOB_CLOSE = 0x2000
_KILLED = 1
"""The exit code of killed processes, as set by the Task Manager."""


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


if sys.platform == "win32":
    _kernel = ctypes.WinDLL("kernel32")
    _kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
    _kernel.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel.SetInformationJobObject.argtypes = (
        *(wintypes.HANDLE, ctypes.c_int, wintypes.LPVOID, wintypes.DWORD),
    )
    _kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    _kernel.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    _kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
    _nt = ctypes.WinDLL("ntdll")
    _nt.NtResumeProcess.argtypes = (wintypes.HANDLE,)

    class JobObject:
        """A job that ends when its handle is closed, which happens at the latest when this process ends."""

        def __init__(self) -> None:
            # two threads may end it, and the number of a closed handle is soon reused
            self._lock = threading.Lock()
            self._handle: int | None = _kernel.CreateJobObjectW(None, None)
            limits = _ExtendedLimits()
            limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
            _kernel.SetInformationJobObject(
                self._handle, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
            )

        def take_in(self, process: int) -> None:
            """Put *process*, the handle of a suspended process, into the job and let it run.

            If an existing job does not allow another one, it runs outside.
            """
            if not _kernel.AssignProcessToJobObject(self._handle, process):
                self.close()
            _nt.NtResumeProcess(process)

        def take_us_in(self) -> None:
            """Put this process into it, so that its children are in it from the start."""
            _kernel.AssignProcessToJobObject(self._handle, _kernel.GetCurrentProcess())

        def kill(self) -> bool:
            """Kill all processes in it; return whether that worked."""
            with self._lock:
                return bool(self._handle and _kernel.TerminateJobObject(self._handle, _KILLED))

        def close(self) -> None:
            """Close it, which kills what is still running in it."""
            with self._lock:
                if self._handle:
                    _kernel.CloseHandle(self._handle)
                    self._handle = None
