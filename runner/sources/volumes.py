"""Tell on which volumes a file has another number once it is renamed."""

import sys

_RENUMBERING = ("FAT", "FAT32", "EXFAT")
"""As memory cards and USB sticks have. The number is that of the place of the name:
https://learn.microsoft.com/windows/win32/api/fileapi/ns-fileapi-by_handle_file_information"""

if sys.platform == "win32":
    import ctypes

    _kernel = ctypes.WinDLL("kernel32")
    _LONGEST = 32_768

    def keeps_numbers(path: str) -> bool:
        """Return whether a file at *path* would keep its number; True too if that is not known."""
        volume = ctypes.create_unicode_buffer(_LONGEST)
        system = ctypes.create_unicode_buffer(64)
        known = _kernel.GetVolumePathNameW(
            path, volume, _LONGEST
        ) and _kernel.GetVolumeInformationW(volume, None, 0, None, None, None, system, len(system))
        return not known or system.value.upper() not in _RENUMBERING

else:

    def keeps_numbers(path: str) -> bool:  # noqa: ARG001 - as on Windows
        """Return whether a file at *path* would keep its number."""
        return True
