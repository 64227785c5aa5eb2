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
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

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


class Program(NamedTuple):
    """A program that runs.

    Attributes:
        process: its number.
        end: descriptor that can be read from when it has ended.
        caller: connection to who asked for it.
    """

    process: int
    end: int
    caller: socket.socket


def serve(listener: socket.socket) -> None:
    """Run a program for everyone who connects, several at a time, until whoever started this process ends."""
    events, running = select.epoll(), dict[int, Program]()
    for source in (listener, sys.stdin):
        events.register(source, select.EPOLLIN)
    while (source := events.poll(maxevents=1)[0][0]) != sys.stdin.fileno():
        if source == listener.fileno():
            program = begin(listener)
            running |= {program.end: program, program.caller.fileno(): program}
            events.register(program.end, select.EPOLLIN)
            # Once.
            events.register(program.caller, select.EPOLLRDHUP | select.EPOLLET)
            continue
        program = running[source]
        if source == program.end:
            for descriptor in (program.end, program.caller.fileno()):
                del running[descriptor]
                # Programs that run hold copies of it, so to close it does not end its events.
                events.unregister(descriptor)
            finish(program)
        else:
            # Who asked has ended.
            os.kill(program.process, signal.SIGTERM)


def begin(listener: socket.socket) -> Program:
    """Run a program for the next who connects, in one fork, as to copy the tables of all its memory takes 70 ms."""
    caller, _ = listener.accept()
    process = os.fork()
    if process == 0:
        listener.close()
        run(caller)
    return Program(process, os.pidfd_open(process), caller)


def finish(program: Program) -> None:
    """Say how a program has ended."""
    _, status = os.waitpid(program.process, 0)
    with suppress(OSError):
        program.caller.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        # Nor does it end the connection.
        program.caller.shutdown(socket.SHUT_RDWR)
    program.caller.close()
    os.close(program.end)


def run(caller: socket.socket) -> NoReturn:
    """Become the program that is asked for."""
    _, streams, *_ = socket.recv_fds(caller, 1, 3)
    order: dict[str, Any] = json.loads(caller.makefile().readline())
    caller.close()
    for stream, given in enumerate(streams):
        os.dup2(given, stream)
        os.close(given)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["arguments"]
    # `clipn finished` looks for the DVC whose shell has called it.
    os.getppid = lambda: order["parent"]
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
