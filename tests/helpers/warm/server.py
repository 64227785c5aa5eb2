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
    "dvc.cli", "dvc.cli.parser", "dvc.repo", "dvc.repo.artifacts", "dvc.repo.datasets", "dvc.repo.metrics",
    "dvc.repo.open_repo", "dvc.repo.params", "dvc.repo.plots", "dvc.repo.stage", "dvc.utils.strictyaml",
    "dvc_data.hashfile.db.local", "dvc_data.hashfile.status", "dvc_data.index.checkout", "dvc_data.index.fetch",
    "dvc_render.vega", "fontTools.subset", "ftfy", "jinja2", "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf", "matplotlib.pyplot", "networkx", "open_clip", "pandas", "pyarrow.csv",
    "pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.parquet", "pydantic", "requests", "scipy.io",
    "scipy.special", "scmrepo.git", "sklearn.metrics", "smart_open", "snakemake.cli", "snakemake.profiles",
    "snakemake.report", "snakemake.storage", "snakemake.workflow", "torch.utils.tensorboard",
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
    """Serve at a socket in a folder."""
    # Packages add variables to it.
    (folder / "environment.json").write_text(json.dumps({**os.environ}))
    sys.path = [path for path in sys.path if path not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        if listener in select.select([listener, sys.stdin], [], [])[0]:
            import_packages()
            serve(listener)


def import_packages() -> None:
    """Import what programs need."""
    for package in PACKAGES:
        import_module(package)
    assert not any(name.partition(".")[0] == "clipn" for name in sys.modules)
    gc.freeze()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
