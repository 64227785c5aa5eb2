"""Imports packages once, and runs programs in forks of itself."""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGES = (
    "dvc.cli", "dvc.cli.parser", "dvc.repo", "ftfy", "jinja2", "matplotlib.pyplot", "open_clip", "pandas",
    "pyarrow.parquet", "pydantic", "scipy.special", "sklearn.metrics", "snakemake.cli", "snakemake.workflow",
    "torchvision.transforms", "typer", "webdataset", "yaml",
)  # fmt: skip


def serve(listener: socket.socket) -> None:
    """Run a program for everyone who connects, several at a time, until whoever started this process ends."""
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            # It is nobody's to wait for, so that the server need not.
            if os.fork() == 0:
                run_for(connection)
            os._exit(0)
        connection.close()
        os.wait()


def run_for(connection: socket.socket) -> None:
    """Run a program in a fork, say how it ended, and end it if the one who asked ends."""
    _, streams, *_ = socket.recv_fds(connection, 1, 3)
    order = json.loads(connection.makefile().readline())
    process = os.fork()
    if process == 0:
        connection.close()
        run(order, streams)
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([connection.fileno(), ended], [], [])
    if ended not in ready:
        os.kill(process, signal.SIGTERM)
    _, status = os.waitpid(process, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def run(order: dict[str, Any], streams: list[int]) -> None:
    """Become a program; does not return."""
    for stream, given in enumerate(streams):
        os.dup2(given, stream)
        os.close(given)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["arguments"]
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        # As Python itself does: a text is an error.
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        status = 1 if isinstance(end.code, str) else end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    # As Python ends, but for freeing its objects, which takes a second with torch.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main(folder: Path) -> None:
    """Import, and serve at a socket in a folder."""
    # Packages add variables to it.
    (folder / "environment.json").write_text(json.dumps({**os.environ}))
    sys.path = [path for path in sys.path if path not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    for package in PACKAGES:
        import_module(package)
    assert not any(name.partition(".")[0] == "clipn" for name in sys.modules)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        serve(listener)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
