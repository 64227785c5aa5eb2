"""Fixtures of tests of checkouts."""

from pathlib import Path

import pytest

from tests.helpers.checkout import Checkout


@pytest.fixture
def clone(pulled: Checkout, tmp_path: Path) -> Checkout:
    """A checkout with all results, in which nothing has run yet."""
    return pulled.copied_to(tmp_path / "clone")
