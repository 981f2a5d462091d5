"""The nodes' ffmpeg: the same one that is embedded in runner, so that results are the same. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EmbeddedFfmpeg:
    """A Linux binary from a wheel of imageio-ffmpeg."""

    wheel: str
    """The platform in the wheel's name, which also says which glibc it needs."""
    sha256: str
    """The SHA-256 of the binary."""

    @property
    def blob(self) -> str:
        """Its name in the container `tools`, where it is stored compressed with xz."""
        return f"ffmpeg-{self.sha256}.xz"


PACKAGE = "imageio-ffmpeg==0.8.1"
"""The version in constraints.txt; another version needs other hashes below."""
X86_64 = EmbeddedFfmpeg(
    wheel="manylinux_2_28_x86_64",
    sha256="0d709a0bed1a43f24cd2c420878c63afea4580671b6949ad19ed124572f3bc3d",
)
ARM64 = EmbeddedFfmpeg(
    wheel="manylinux_2_28_aarch64",
    sha256="0b0b5ac30495b4e07ce1321b8d58200f901f57782884a8b6b264c7528c2c9e77",
)
