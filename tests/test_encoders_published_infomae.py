from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from kinelet.encoders.published_infomae import APPLICATIONS, published_model
from kinelet.errors import BadOptionError

TOTALS = {"mod": 12_565_831, "har": 4_669_818}
PARTS = {"mod": (11_243_840, 526_336, 788_480, 7_175), "har": (3_063_144, 592_896, 986_112, 27_666)}
applications = pytest.mark.parametrize("application", list(TOTALS))


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@applications
def test_check_2_the_total_is_the_published_one(application: Any) -> None:
    assert count(published_model(application)) == TOTALS[application]


@applications
def test_every_part_counts_what_the_composition_says(application: Any) -> None:
    model = published_model(application)
    bases = [e.base for e in model.encoders.values()]  # type: ignore[union-attr]
    heads = [h for e in model.encoders.values() for h in (e.head_u, e.head_v)]  # type: ignore[union-attr]
    assert (count(*bases), count(*heads), count(model.extra), count(model.probe)) == PARTS[application]


def test_windows_of_all_modalities_give_logits() -> None:
    model = published_model("har").eval()
    windows = {name: torch.randn(2, 3, 250) for name in APPLICATIONS["har"][0]}
    assert model(windows).shape == (2, 18)


def test_the_extra_mlp_feeds_nothing() -> None:
    model = published_model("har")
    model({name: torch.randn(2, 3, 250) for name in APPLICATIONS["har"][0]}).sum().backward()
    assert all(p.grad is None for p in model.extra.parameters())


def test_another_application_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match=r"'acids'.*mod, har"):
        published_model("acids")  # type: ignore[arg-type]
