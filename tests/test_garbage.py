"""Processes that look for garbage less often, and end without freeing what they hold."""

import atexit
import gc
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from clipn.garbage import COLLECTED_OBJECTS, search_less


@pytest.mark.parametrize("has_triton", [False, True])
def test_what_is_held_is_left_to_the_system_but_not_by_triton(
    has_triton: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_exit: list[Callable[[], None]] = []
    calls: list[str] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(gc, "set_threshold", lambda number: calls.append(str(number)))
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    search_less()
    if has_triton:
        monkeypatch.setitem(sys.modules, "triton", ModuleType("triton"))
    at_exit[0]()
    assert calls == [str(COLLECTED_OBJECTS), *["freeze"] * (not has_triton)]
