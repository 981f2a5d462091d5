"""Checks of the containers of media that nodes and operators are let into. Pure."""

from collections import Counter

from infra.findings import Findings
from infra.ids import is_container_id
from infra.settings import Settings

_COMMAND = "`$(az storage account show --name ACCOUNT --query id -o tsv)/blobServices/default/containers/CONTAINER`"


def containers(settings: Settings) -> Findings:
    """Check that each is a container's id, and named once."""
    for name in ("read_containers", "write_containers"):
        for each in getattr(settings, name):
            if not is_container_id(each):
                yield name, f"{each!r}: must be the id of a container: {_COMMAND}"
    named = Counter(map(str.lower, (*settings.read_containers, *settings.write_containers)))
    for each, count in named.items():
        if count > 1:
            yield "read_containers", f"{each!r} is named twice (writing includes reading)"


CHECKS = (containers,)
