import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from clipn import compute
from clipn.compute import HELD, VARIABLE, described, hold, one_thread, processor, require_hold, variables
from clipn.errors import ClipnError
from tests.helpers.project import ENVIRONMENT, ROOT

COMPUTE = """
import hashlib, json, sys
from clipn import compute
extra, name = json.loads(sys.argv[1]), sys.argv[2]
if name == "portable":
    compute.HELD.update(extra)
compute.hold(name)
import numpy as np, torch
torch.set_num_threads(2)
generator = torch.Generator().manual_seed(1)
def draw(*shape):
    return torch.randn(shape, generator=generator)
a, b, images = draw(300, 217), draw(217, 190), draw(8, 3, 20, 20)
weights = draw(12, 3, 3, 3).requires_grad_()
torch.nn.functional.gelu(torch.nn.functional.conv2d(images, weights)).sum().backward()
doubles = a.double().numpy()
parts = {
    "matmul": (a @ b).numpy(),
    "softmax": a.softmax(dim=1).numpy(),
    "convolution": weights.grad.numpy(),
    "exp": np.exp(doubles),
    "sums": doubles.astype(np.float32).sum(axis=0),
    "product": doubles @ doubles.T,
}
print(json.dumps({name: hashlib.sha256(part.tobytes()).hexdigest()[:12] for name, part in parts.items()}))
print(torch.backends.cpu.get_cpu_capability())
"""


def unheld() -> dict[str, str]:
    """The environment of a person's terminal."""
    return {key: value for key, value in ENVIRONMENT.items() if key not in (*HELD, VARIABLE)}


def computed(name: str = "portable", extra: dict[str, str] | None = None, cores: int | None = None) -> tuple[Any, str]:
    """Hashes of what the libraries compute in a process of its own, and the kernels that torch says it has."""
    cut = (lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])) if cores else None
    words = [sys.executable, "-c", COMPUTE, json.dumps(extra or {}), name]
    run = subprocess.run(
        words, cwd=ROOT, env=unheld(), check=True, capture_output=True, text=True, preexec_fn=cut, timeout=120
    )
    hashes, capability = run.stdout.splitlines()
    return json.loads(hashes), capability


@pytest.fixture(scope="module")
def held() -> tuple[Any, str]:
    return computed()


@pytest.fixture(scope="module")
def fast() -> tuple[Any, str]:
    return computed("fast")


@pytest.mark.workflow
def test_held_kernels_give_the_same_digits_on_every_code_path(held: tuple[Any, str]) -> None:
    """MKL as on a processor without AVX, one core in place of two."""
    hashes, capability = held
    assert capability == "AVX2"
    assert computed(extra={"MKL_ENABLE_INSTRUCTIONS": "SSE4_2"})[0] == hashes
    assert computed(cores=1)[0] == hashes


@pytest.mark.workflow
def test_without_a_hold_digits_differ(held: tuple[Any, str], fast: tuple[Any, str]) -> None:
    """Else the test above would pass whatever is held; MKL's own kernels differ from the held ones everywhere."""
    assert fast[0]["matmul"] != held[0]["matmul"]


@pytest.mark.workflow
@pytest.mark.skipif("avx512f" not in Path("/proc/cpuinfo").read_text(), reason="needs a processor with AVX-512")
def test_kernels_of_avx512_are_what_is_held_back(held: tuple[Any, str], fast: tuple[Any, str]) -> None:
    assert fast[1] != "AVX2"
    assert {name for name, digits in held[0].items() if fast[0][name] != digits} & {"softmax", "exp", "sums"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str | None]:
    """Variables of this process, put back afterwards."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(compute, "_held", "fast")
    return os.environ.get


def test_what_would_undo_a_hold_is_ignored_with_a_line(
    environment: Callable[[str], str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"MKL_NUM_THREADS": "7", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "OMP_THREAD_LIMIT": "1"}
    os.environ.update(given | {"MKLROOT": "/opt"})
    hold("portable")
    assert [environment(name) for name in (*given, "MKLROOT")] == [None, None, None, "/opt"]
    assert {name: environment(name) for name in HELD} == HELD
    assert capsys.readouterr().err.splitlines() == [
        "MKL_ENABLE_INSTRUCTIONS=SSE4_2 is ignored, as it may change digits; `arithmetic: fast` heeds it",
        "OMP_THREAD_LIMIT=1 is ignored, as it may change digits; `arithmetic: fast` heeds it",
    ]


def test_fast_leaves_the_environment_alone(environment: Callable[[str], str | None]) -> None:
    os.environ |= {"MKL_CBWR": "AVX2"}
    hold("fast")
    assert environment("MKL_CBWR") == "AVX2"


def test_kernels_of_a_library_that_is_loaded_cannot_be_held(environment: Callable[[str], str | None]) -> None:
    del os.environ["MKL_CBWR"]
    sys.modules.setdefault("numpy", pytest.importorskip("numpy"))
    with pytest.raises(ClipnError, match="numpy is imported already, so its kernels cannot be held"):
        hold("portable")


V3 = "abm avx avx2 bmi1 bmi2 f16c fma movbe sse4_2"
"""Instructions of x86-64-v3, as Linux calls them."""


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(compute, "CPUINFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_the_processor(cpuinfo: Path) -> None:
    assert processor().strip()
    cpuinfo.write_text("processor : 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Another\n")
    assert processor() == "Some CPU @ 2 GHz"


@pytest.mark.parametrize(
    ("machine", "flags"), [("x86_64", V3.replace("avx2", "")), ("x86_64", V3.replace("f16c", "")), ("aarch64", V3)]
)
def test_a_processor_without_avx2_is_refused(
    machine: str, flags: str, cpuinfo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    cpuinfo.write_text(f"model name : Old One\nflags : {flags}\n")
    for held in ("portable", "fast", "cuda"):
        monkeypatch.setattr(compute, "_held", held)
        if held == "portable":
            with pytest.raises(ClipnError, match="Old One is no x86-64 processor with AVX2"):
                require_hold()
        else:
            require_hold()


def test_a_processor_with_it_is_not(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo.write_text(f"flags : fpu {V3}\n")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(compute, "_held", "portable")
    require_hold()


def test_what_tables_say_of_it_names_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "version", lambda name: f"1.{len(name)}+cu128")
    monkeypatch.setattr(compute, "_held", "portable")
    assert described() == "portable avx2 numpy-1.5 pillow-1.6 pyarrow-1.7 scipy-1.5 torch-1.5 torchvision-1.11"
    monkeypatch.setattr(compute, "_held", "cuda")
    assert described().startswith("cuda numpy-")
    assert processor() not in described()


@pytest.mark.parametrize(
    ("arithmetic", "said"), [("portable", ["NPY_DISABLE_CPU_FEATURES=FMA3 is ignored"]), ("fast", [])]
)
def test_a_command_that_computes_says_which_variable_it_ignores(
    arithmetic: str, said: list[str], tmp_path: Path
) -> None:
    environment = unheld() | {"NPY_DISABLE_CPU_FEATURES": "FMA3"}
    (tmp_path / "m.json").write_text("{}")
    words = ["clipn", "--arithmetic", arithmetic, "--log", tmp_path / "log", "report", "summary", tmp_path / "m.json"]
    options = ["--id", "pets", "--output", tmp_path]
    run = subprocess.run([*words, *options], env=environment, capture_output=True, text=True, timeout=120)
    assert run.stderr == ""
    log = (tmp_path / "log").read_text().splitlines()
    assert [line for line in said if not log[1].startswith(line)] == []
    assert log[1 + len(said)].startswith(f"machine: {processor()}, {arithmetic} ")


def test_a_command_without_numbers_runs_anywhere_and_says_nothing() -> None:
    environment = unheld() | {"NPY_DISABLE_CPU_FEATURES": "FMA3"}
    run = subprocess.run(
        ["clipn", "data", "list"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_jobs_of_a_workflow_are_told_by_the_environment(tmp_path: Path) -> None:
    environment = unheld() | {VARIABLE: "fast"}
    (tmp_path / "m.json").write_text("{}")
    words = ["clipn", "--log", tmp_path / "log", "report", "summary", tmp_path / "m.json", "--id", "pets"]
    subprocess.run([*words, "--output", tmp_path], env=environment, capture_output=True, timeout=120)
    assert f"machine: {processor()}, fast " in (tmp_path / "log").read_text()


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_matrix_products_get_one_thread_and_then_what_they_had() -> None:
    with threadpool_limits(2, "blas"):
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}


@pytest.mark.parametrize(
    ("arithmetic", "noted"), [("fast", ["GLIBC_TUNABLES=x", "MKL_CBWR=COMPATIBLE"]), ("portable", ["GLIBC_TUNABLES=x"])]
)
def test_variables_that_may_change_digits_are_noted(
    monkeypatch: pytest.MonkeyPatch, arithmetic: str, noted: list[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(compute.NOTED)]:
        monkeypatch.delenv(name)
    here = {"GLIBC_TUNABLES": "x", "MKL_CBWR": "COMPATIBLE", "MKL_NUM_THREADS": "3", "LD_PRELOAD": "/somewhere/lib.so"}
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(compute, "_held", arithmetic)
    assert sorted(variables()) == sorted([*noted, "LD_PRELOAD=lib.so"])
