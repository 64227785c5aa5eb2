"""Stands for a program of the same name: lets the server run it, or runs it itself if it wants other packages."""

import json
import os
import shutil
import socket
import sys
from pathlib import Path

READ_AT_IMPORT = (
    "ARROW_", "ATEN_", "DNNL_", "HF_", "KMP_", "LD_", "MKL_", "MPL", "NPY_", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTHON",
    "TORCH",
)  # fmt: skip
"""How variables begin that packages, or Python, read once."""
HEEDED = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONPATH")
"""Variables that count all the same: steps set their threads, and the server the folders of modules."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""What OpenBLAS has read in the server. Snakemake sets the cores of a job, and `clipn.compute.hold` sets one again."""


def chosen(environment: dict[str, str]) -> dict[str, str]:
    """Variables that must be those of the server."""
    return {
        name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT) and name not in HEEDED
    }


def main() -> None:
    """Run the program."""
    here = Path(sys.argv[0])
    others = (folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder) != here.parent)
    program = shutil.which(here.name, path=os.pathsep.join(others))
    assert program is not None
    arguments = [program, *sys.argv[1:]]
    held = json.loads((here.parent / "environment.json").read_text())
    # The others compute no numbers.
    if here.name == "clipn" and chosen({**os.environ}) != chosen(held):
        os.execv(program, arguments)
    environment = os.environ | ONE_THREAD
    order = {"arguments": arguments, "folder": str(Path.cwd()), "environment": environment, "parent": os.getppid()}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(here.parent / "socket"))
        socket.send_fds(server, [b"."], [0, 1, 2])
        server.sendall(json.dumps(order).encode() + b"\n")
        status = int(server.makefile().read())
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main()
