"""Python runs this first in the processes of a project under test, where PyTorch and open_clip then take half the time.

torchvision imports the compiler of PyTorch for an operation on boxes, and open_clip the models of timm, which import it
too. Nothing here uses either, so both are kept from it; whoever else imports the compiler gets it.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

BOXES, COMPILER = "torchvision.ops.roi_align", "torch._dynamo"


class WithoutCompiler(SourceFileLoader):
    """Runs a module that finds an empty compiler meanwhile."""

    def exec_module(self, module: ModuleType) -> None:
        if COMPILER in sys.modules:
            return super().exec_module(module)
        empty = {name: ModuleType(name) for name in (COMPILER, f"{COMPILER}.utils")}
        vars(empty[f"{COMPILER}.utils"])["is_compile_supported"] = None
        sys.modules |= empty
        try:
            super().exec_module(module)
        finally:
            for name in empty:
                del sys.modules[name]


class BoxesFinder(MetaPathFinder):
    """Finds the module of torchvision that imports the compiler."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == BOXES else None
        if spec and spec.origin:
            spec.loader = WithoutCompiler(fullname, spec.origin)
        return spec


sys.modules["timm"] = None  # type: ignore[assignment]  # open_clip does without
sys.meta_path.insert(0, BoxesFinder())
