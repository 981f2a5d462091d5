"""The conversion of one file, the same on this machine and on a node.

It must work with what nodes have: Python 3.10, the standard library, and ffmpeg 4.2 to 9. The one other
library, which `tags` imports, is packed with it.
"""
