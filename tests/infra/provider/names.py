"""Reading ids."""


def leaf(arm_id: str) -> str:
    """Return a resource's own name."""
    return arm_id.rsplit("/", 1)[-1]
