"""Find conversions in a table by a text that each one has, such as its id."""

from array import array
from collections.abc import Callable

from runner.clashes import folded
from runner.conversions import Conversions
from runner.models import Conversion


class ConversionIndex:
    """The indices of *conversions* by their *key*, which is made anew when it is compared.

    A hash table with at most half of its slots in use: 8 to 16 bytes for each conversion, where a `dict`
    with its keys takes 200.
    """

    def __init__(self, conversions: Conversions, key: Callable[[Conversion], str]) -> None:
        self._conversions = conversions
        self._key = key
        slots = 1 << (2 * len(conversions)).bit_length()
        self._last = slots - 1
        self._slots = array("I", [0]) * slots
        """One more than the index of a conversion; 0 where there is none."""
        for index, conversion in enumerate(conversions, 1):
            slot = hash(key(conversion)) & self._last
            while self._slots[slot]:
                slot = (slot + 1) & self._last
            self._slots[slot] = index

    def find(self, text: str) -> int | None:
        """Return the index of the conversion whose key is *text*; None if there is none."""
        slot = hash(text) & self._last
        while index := self._slots[slot]:
            if self._key(self._conversions[index - 1]) == text:
                return index - 1
            slot = (slot + 1) & self._last
        return None


def id_of(conversion: Conversion) -> str:
    """Return the id of *conversion*, as the key of an index."""
    return conversion.id


def target_of(conversion: Conversion) -> str:
    """Return the target of *conversion* as all file systems see it, as the key of an index."""
    return folded(conversion.target)
