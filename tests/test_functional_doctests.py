"""The examples in the docstrings say what happens."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "kinelet.encoders.blocks",
    "kinelet.encoders.patch_transformer",
    "kinelet.functional.attention",
    "kinelet.functional.augment",
    "kinelet.functional.augment_axes",
    "kinelet.functional.curves",
    "kinelet.functional.information",
    "kinelet.functional.masking",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 and found.failed == 0
