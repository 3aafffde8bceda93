"""A `dask` of a few lines for tests about tasks rather than about Dask, whose processes would cost seconds each.

Its scheduler counts the workers that are connected, and tells whoever asks; a worker ends when its scheduler does. Put
the files beside a program and copy them into its image: `python -m dask` finds what is in its folder first.
"""

from __future__ import annotations

DASK = """\
import socket, sys, threading
words = sys.argv[1:]
if words[0] == "worker":
    host, port = words[1].removeprefix("tls://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.settimeout(None)
        connection.sendall(b"w")
        print("works", flush=True)
        while connection.recv(1):
            pass
    sys.exit()
count = 0
def serve(connection):
    global count
    with connection:
        if connection.recv(1) == b"p":
            connection.sendall(str(count).encode())
        else:
            count += 1
            while connection.recv(1):
                pass
            count -= 1
with socket.create_server(("127.0.0.1", int(words[words.index("--port") + 1]))) as server:
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
PROGRAM = """\
import os, socket, sys, time
host, port = os.environ["DASK_SCHEDULER_ADDRESS"].removeprefix("tls://").split(":")
until = time.monotonic() + 60
while time.monotonic() < until and not os.path.exists(os.environ.get("GIVE_UP", "")):
    try:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"p")
            found = int(connection.recv(9))
    except ConnectionError:
        found = 0
    if found >= int(os.environ["DASK_WORKERS"]):
        print("workers:", found, flush=True)
        break
    time.sleep(0.05)
else:
    sys.exit("the workers didn't come")
"""
DOCKERFILE = 'FROM python:3.13-slim\nCOPY dask dask\nCOPY train.py .\nCMD ["python", "train.py"]\n'
FILES = {"dask/__init__.py": "", "dask/__main__.py": DASK, "train.py": PROGRAM, "Dockerfile": DOCKERFILE}
