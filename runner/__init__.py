"""Convert folders of media with ffmpeg, on this machine or on Azure Batch."""

__version__ = "0.1.0"
