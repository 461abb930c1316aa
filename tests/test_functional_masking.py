"""Hidden patches: how many, which together, and the same for the same generator (check 4)."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.errors import BadOptionError
from kinelet.functional.masking import MaskMode, hide_patches

MODES = get_args(MaskMode)
every_mode = pytest.mark.parametrize("mode", MODES)


def draw(rows: int = 9, cols: int = 10, batch: int = 50, *, seed: int = 0, **options: Any) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return hide_patches(rows, cols, batch, generator=g, **{"ratio": 0.75, **options})


@every_mode
@pytest.mark.parametrize(("rows", "cols"), [(9, 10), (7, 5), (1, 13), (13, 1), (4, 6), (2, 2)])
@pytest.mark.parametrize("run", [1, 2])
def test_check_4_every_row_hides_exactly_the_share_in_every_mode(
    mode: MaskMode, rows: int, cols: int, run: int
) -> None:
    hidden = draw(rows, cols, mode=mode, run=run, block=(2, 4))
    assert hidden.sum(dim=1).tolist() == [round(0.75 * rows * cols)] * 50


@every_mode
def test_check_4_padding_is_never_hidden_nor_counted(mode: MaskMode) -> None:
    valid = torch.ones(9, 10, dtype=torch.bool)
    valid[7:], valid[:, 8:] = False, False
    hidden = draw(mode=mode, valid=valid.flatten())
    assert not hidden[:, ~valid.flatten()].any() and (hidden.sum(dim=1) == round(0.75 * 56)).all()


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    ratio=st.floats(0.05, 0.95),
    block=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
def test_check_4_holds_for_any_grid_ratio_and_block(
    rows: int, cols: int, ratio: float, block: tuple[int, int], mode: MaskMode, seed: int
) -> None:
    valid = torch.rand(rows * cols, generator=torch.Generator().manual_seed(seed)) < 0.8
    count = round(ratio * int(valid.sum()))
    if not 0 < count < int(valid.sum()):
        return
    hidden = draw(rows, cols, 7, ratio=ratio, block=block, mode=mode, seed=seed, valid=valid)
    assert (hidden.sum(dim=1) == count).all() and not (hidden & ~valid).any()


@every_mode
def test_the_generator_decides_everything(mode: MaskMode) -> None:
    assert torch.equal(draw(mode=mode, seed=3), draw(mode=mode, seed=3))
    assert not torch.equal(draw(mode=mode, seed=3), draw(mode=mode, seed=4))


@every_mode
def test_rows_of_a_batch_differ(mode: MaskMode) -> None:
    assert len({tuple(h.tolist()) for h in draw(mode=mode)}) > 5


@every_mode
def test_every_patch_is_hidden_about_as_often(mode: MaskMode) -> None:
    often = draw(6, 6, 6000, mode=mode, ratio=0.5, block=(2, 3)).float().mean(dim=0)
    # Single rows are a third of what is drawn by time, and patches at an edge lie in blocks that are cut.
    assert often.min() > 0.42 and often.max() < 0.58


def test_blocks_hide_whole_blocks_but_one() -> None:
    hidden = draw(8, 9, 200, ratio=0.5, block=(2, 3)).reshape(200, 8, 9)
    worst = 0
    for h in hidden:
        cut = [
            sum(
                1
                for r in range(r0, 8, 2)
                for c in range(c0 - 3, 9, 3)
                if _partly(h[max(r, 0) : r + 2, max(c, 0) : c + 3])
            )
            for r0 in (0, -1)
            for c0 in (0, 1, 2)
        ]
        worst = max(worst, min(cut))
    assert worst == 1


def _partly(block: Tensor) -> bool:
    return block.numel() > 0 and bool(block.any()) and not bool(block.all())


def test_tubes_are_whole_columns_but_one() -> None:
    share = draw(8, 9, mode="tube", ratio=0.5).reshape(50, 8, 9).float().mean(dim=1)
    assert ((share > 0) & (share < 1)).sum(dim=1).max() <= 1


def test_times_are_whole_rows_but_one() -> None:
    share = draw(8, 9, mode="time", ratio=0.5).reshape(50, 8, 9).float().mean(dim=2)
    assert ((share > 0) & (share < 1)).sum(dim=1).max() <= 1


@pytest.mark.parametrize("mode", ["random", "tube", "time", "mixed"])
def test_a_run_of_two_leaves_at_most_one_patch_hidden_alone_in_time(mode: MaskMode) -> None:
    hidden = draw(9, 10, 100, mode=mode, run=2, ratio=0.5).reshape(100, 9, 10)
    before = torch.nn.functional.pad(hidden, (0, 0, 1, 0))[:, :-1]
    after = torch.nn.functional.pad(hidden, (0, 0, 0, 1))[:, 1:]
    # The first and the last row have samples that no other row holds.
    alone = (hidden & ~before & ~after)[:, 1:-1]
    assert int(alone.sum(dim=(1, 2)).max()) <= 1


def test_mixed_draws_each_mode_as_often_as_told() -> None:
    hidden = draw(6, 6, 8000, mode="mixed", ratio=0.5).reshape(8000, 6, 6)
    whole_columns = (hidden.all(dim=1) | ~hidden.any(dim=1)).all(dim=1).float().mean()
    whole_rows = (hidden.all(dim=2) | ~hidden.any(dim=2)).all(dim=1).float().mean()
    assert [float(whole_columns), float(whole_rows)] == pytest.approx([0.25, 0.25], abs=0.02)


@pytest.mark.parametrize("options", [{"ratio": 0.001}, {"ratio": 0.999}, {"block": (0, 3)}, {"run": 0}])
def test_nothing_hidden_or_everything_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=r"of 90 patches would be hidden"):
        draw(**options)


def test_the_global_generator_is_left_alone() -> None:
    state = torch.random.get_rng_state()
    draw(mode="mixed")
    assert torch.equal(state, torch.random.get_rng_state())
