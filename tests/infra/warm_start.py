"""Stands in for `python`: has a warm process run what follows, and ends as that does; see warm.py."""

import json
import os
import signal
import socket
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs for us is ended with us
address, *words = sys.argv[1:]
asked = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109 - pathlib is slow to load
data = json.dumps(asked).encode()
with socket.socket(socket.AF_UNIX) as warm:
    warm.connect(address)
    socket.send_fds(warm, [b"%d\n" % len(data)], [0, 1, 2])
    warm.sendall(data)
    ended = warm.recv(16)
sys.exit(int(ended or b"1"))
