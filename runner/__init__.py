"""Convert folders of media with ffmpeg, on this machine or on Azure Batch."""
