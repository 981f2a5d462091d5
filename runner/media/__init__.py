"""The conversion of one file, the same on this machine and on a node.

Standard library only, Python 3.10, ffmpeg 4.2 to 9: nodes have no more than that. The one library
besides, which `tags` imports, travels with it.
"""
