"""How numbers are computed: with which kernels, so that results on a CPU do not depend on the processor, and by torch.

When they are loaded, the libraries look at the processor and choose their fastest kernels for it. Each kernel rounds
and adds up in its own way, and training makes a difference of the last digit one of the first. So all of them are told,
by the environment and before they are imported, to use kernels that every x86-64 processor with AVX2 has
(docs/arithmetic.md). The number of threads, on which sums depend, too, is a setting of each step.
"""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from threadpoolctl import threadpool_limits

from clipn.errors import ClipnError

Arithmetic = Literal["portable", "fast", "cuda"]
"""`portable`: held kernels; `fast`: the fastest of this processor; `cuda`: of a study whose models run on a GPU."""

VARIABLE = "CLIPN_ARITHMETIC"
"""Tells commands the arithmetic where no option does."""
HELD = {
    # Kernels of torch itself, AVX2 where there is AVX-512, too.
    "ATEN_CPU_CAPABILITY": "avx2",
    # oneDNN, which torch's convolutions use.
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # MKL, torch's matrix products. Its AVX2 kernels are for Intel's processors only; these are the same on all.
    "MKL_CBWR": "COMPATIBLE",
    # NumPy's exp, log, sums and sorting: what is not named here is not used.
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    # NumPy's and SciPy's matrix products; how many threads share one is rounded differently.
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    # Sums of pyarrow.
    "ARROW_USER_SIMD_LEVEL": "AVX2",
}
"""Variables that hold the kernels, with their values."""
PREFIXES = (
    "ATEN_", "DNNL_", "ONEDNN_", "MKL_", "NPY_", "OPENBLAS_", "ARROW_USER_SIMD_LEVEL", "OMP_DYNAMIC", "OMP_THREAD_LIMIT"
)  # fmt: skip
"""How variables begin that choose kernels, or give torch fewer threads than it is told to use."""
NOTED = (
    *PREFIXES, "CUBLAS_", "CUDNN_", "GLIBC_TUNABLES", "KMP_DETERMINISTIC", "LD_PRELOAD", "NVIDIA_TF32",
    "TORCH_ALLOW_TF32", "TORCH_BLAS_",
)  # fmt: skip
"""How variables begin that may change digits, so that a job's log names those that are set and not ignored."""
MACHINE, USED = "machine: ", "used: "
"""How the lines of a job's log begin that name processor and libraries, and CPU seconds and memory."""
LIBRARIES = ("numpy", "pillow", "pyarrow", "scipy", "torch", "torchvision")
"""Distributions whose versions numbers depend on; torch brings oneDNN and MKL, the others OpenBLAS."""
_CHOOSING = ("numpy", "pyarrow", "torch")
CPUINFO = Path("/proc/cpuinfo")
_NEEDED = {"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
"""What Linux calls the instructions of x86-64-v3."""

_held: Arithmetic = "fast"
_leases: list[object] = []
"""Of the GPU of this process, until it ends."""


def hold(arithmetic: Arithmetic) -> None:
    """Hold the kernels of all numeric libraries in this process, before any of them is imported; `fast` holds none.

    Raises:
        ClipnError: a library is loaded and has chosen its kernels already.
    """
    global _held
    loaded = [name for name in _CHOOSING if name in sys.modules]
    if arithmetic != "fast" and loaded and any(os.environ.get(name) != value for name, value in HELD.items()):
        raise ClipnError(
            f"arithmetic: {loaded[0]} is imported already, so its kernels cannot be held; call `hold` before, or run "
            "`clipn` in a process of its own"
        )
    set_environment(arithmetic)
    _held = arithmetic


def set_environment(arithmetic: Arithmetic) -> None:
    """Hold the kernels in processes to come; a variable that would choose others is dropped, and a line says so."""
    os.environ[VARIABLE] = arithmetic
    if arithmetic == "fast":
        return
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        value = os.environ.pop(name)
        # Snakemake sets numbers of threads for every job; how many there are is a setting of the step.
        if value != HELD.get(name) and not name.endswith("_NUM_THREADS"):
            sys.stderr.write(f"{name}={value} is ignored, as it may change digits; `arithmetic: fast` heeds it\n")
    os.environ.update(HELD)


def require_hold() -> None:
    """See that this processor has the kernels that are held.

    Raises:
        ClipnError: it has not.
    """
    if _held == "portable" and not (platform.machine() == "x86_64" and {*_cpu_info("flags").split()} >= _NEEDED):
        raise ClipnError(
            f"arithmetic: {processor()} is no x86-64 processor with AVX2, which portable numbers need; write "
            "`arithmetic: fast` in the study, or `clipn --arithmetic fast`"
        )


def described() -> str:
    """The arithmetic of this process, and the versions of its libraries; nothing in it depends on the processor."""
    kernels = " avx2" if _held == "portable" else ""
    # What follows a `+` says for which GPU a wheel of torch was built.
    versions = (f"{name}-{version(name).partition('+')[0]}" for name in LIBRARIES)
    return " ".join([f"{_held}{kernels}", *versions])


def variables() -> list[str]:
    """Variables of this process that may change digits, `NAME=value`; of files the names alone."""
    held = HELD if _held != "fast" else {}
    noted = {name: value for name, value in sorted(os.environ.items()) if name.startswith(NOTED)}
    chosen = {name: value for name, value in noted.items() if held.get(name) != value}
    return [f"{name}={Path(value).name}" for name, value in chosen.items() if not name.endswith("_NUM_THREADS")]


def processor() -> str:
    """Name of the processor."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def _cpu_info(key: str) -> str:
    """What Linux says of the first core; empty elsewhere."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.exists() else []
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() == key), "")


def prepare_torch(device: str, threads: int) -> None:
    """Fix the number of threads and ask for deterministic kernels; `cuda` becomes a GPU that no other process has.

    Raises:
        ClipnError: `device` is `cuda` and there is none, or other processes have all of several.
    """
    import torch  # here, as the kernels must be held before

    if device == "cuda":
        if not torch.cuda.is_available():
            raise ClipnError("device: cuda is not available here; set `device: cpu` in the study")
        # One alone is shared, as nobody could choose another.
        if (count := torch.cuda.device_count()) > 1 and not _leases:
            from clipn.compute.gpu_lease import lease  # here, as few steps need it

            index, lock = lease([str(torch.cuda.get_device_properties(gpu).uuid) for gpu in range(count)])
            torch.cuda.set_device(index)
            _leases.append(lock)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS may add up in any order
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=device == "cuda")
    # It fills fresh memory, for those who read it before they write it; no digit depends on that, and it takes time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def one_thread() -> Iterator[None]:
    """Give NumPy's matrix products one thread each, so that several run side by side and no digit depends on it."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
