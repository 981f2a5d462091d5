"""The nodes' image, and the Batch agent for it. Pure."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

WARN_BEFORE_END = timedelta(days=180)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A marketplace image, or one of a Compute Gallery (`gallery_id`)."""

    agent: str
    """Batch's node agent; if it does not match the image, the pool is refused."""
    publisher: str = ""
    offer: str = ""
    sku: str = ""
    version: str = "latest"
    gallery_id: str = ""
    ends: date | None = None
    """When Batch retires the agent, if announced."""

    @property
    def is_arm(self) -> bool:
        """Whether the agent, and so the image, is for arm64."""
        return self.agent.endswith("-arm64")


PRESETS = {
    "jammy": Image(
        publisher="canonical",
        offer="0001-com-ubuntu-server-jammy",
        sku="22_04-lts",
        agent="batch.node.ubuntu 22.04",
        ends=date(2027, 6, 30),  # https://github.com/Azure/Batch/issues/200
    ),
    "noble": Image(
        publisher="canonical",
        offer="ubuntu-24_04-lts",
        sku="server",
        agent="batch.node.ubuntu 24.04",
    ),
}

_GALLERY = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute"
    r"/galleries/[^/]+/images/[^/]+(/versions/[^/]+)?",
    re.IGNORECASE,
)
_MARKETPLACE = re.compile(r"([\w.-]+):([\w.-]+):([\w.-]+)(?::([\w.-]+))?")

CHOICES = "jammy, noble, PUBLISHER:OFFER:SKU[:VERSION], or the id of a Compute Gallery image"


def parse_image(text: str, agent: str) -> Image | None:
    """Parse the `image` setting; return None if it is not one of CHOICES."""
    if preset := PRESETS.get(text):
        return preset
    if _GALLERY.fullmatch(text):
        return Image(gallery_id=text, agent=agent)
    if match := _MARKETPLACE.fullmatch(text):
        publisher, offer, sku, version = match.groups()
        return Image(
            publisher=publisher, offer=offer, sku=sku, version=version or "latest", agent=agent
        )
    return None


def end_of_support(image: Image, today: date) -> str | None:
    """Warn that Batch's support for *image* has ended or will soon; None while that is far off."""
    if image.ends is None or today < image.ends - WARN_BEFORE_END:
        return None
    tense = "ended" if today > image.ends else "ends"
    return (
        f"Batch's support for {image.agent} {tense} on {image.ends}: creating or resizing a pool "
        "may then fail; switch with `pulumi config set image noble`"
    )
