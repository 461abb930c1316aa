from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kinelet.encoders.swin_blocks import Drops, Merging, SwinBlock, WindowAttention
from kinelet.encoders.swin_options import SwinOptions, fitting
from kinelet.encoders.swin_trunk import SwinTrunk
from kinelet.encoders.swin_windows import Field, Windows

FIELDS = [
    (Field(6, 9, (6, 9)), (3, 3)),
    (Field(6, 8, (5, 7)), (3, 2)),
    (Field(4, 12, (1, 9)), (4, 3)),
    (Field(12, 10, (9, 10)), (3, 5)),
]
every_field = pytest.mark.parametrize(("field", "size"), FIELDS, ids=str)
shifted_or_not = pytest.mark.parametrize("shifted", [False, True])


def tokens(field: Field, width: int = 8, batch: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(batch, field.rows * field.cols, width, generator=torch.Generator().manual_seed(seed))


@every_field
@shifted_or_not
def test_joining_undoes_cutting(field: Field, size: tuple[int, int], shifted: bool) -> None:
    windows, x = Windows.of(field, size, shifted), tokens(field)
    assert torch.equal(windows.join(windows.cut(x)), x)


@every_field
def test_a_window_holds_the_tokens_that_stand_there(field: Field, size: tuple[int, int]) -> None:
    places = torch.arange(field.rows * field.cols).view(1, -1, 1)
    cut = Windows.of(field, size, False).cut(places)[0, :, :, 0]
    grid = places.view(field.rows, field.cols)
    assert torch.equal(cut[1], grid[: size[0], size[1] : 2 * size[1]].flatten())


@every_field
@shifted_or_not
def test_who_sees_whom_matches_a_loop_over_pairs(field: Field, size: tuple[int, int], shifted: bool) -> None:
    """Two tokens meet if they lie in one window of the rolled field and the roll did not tear them apart."""
    windows = Windows.of(field, size, shifted)
    places = windows.cut(torch.arange(field.rows * field.cols).view(1, -1, 1))[0, :, :, 0]
    allowed = windows.allowed()
    for w, window in enumerate(places.tolist()):
        for i, a in enumerate(window):
            for j, b in enumerate(window):
                (ra, ca), (rb, cb) = divmod(a, field.cols), divmod(b, field.cols)
                near = abs(ra - rb) < size[0] and abs(ca - cb) < size[1]
                want = near and rb < field.real[0] and cb < field.real[1]
                assert (allowed is None and want) or bool(allowed[w, i, j]) == want  # type: ignore[index]


@every_field
@shifted_or_not
def test_check_6_attention_on_padding_is_exactly_0(field: Field, size: tuple[int, int], shifted: bool) -> None:
    windows = Windows.of(field, size, shifted)
    attention = WindowAttention(8, 2, size, 0.0, 0.0)
    q, k = (windows.cut(1e3 * tokens(field, seed=s)).unflatten(-1, (2, 4)).transpose(2, 3) for s in (1, 2))
    weights = attention.weights(q, k, windows.allowed())
    padding = ~windows.cut(field.valid().view(1, -1, 1))[0, :, :, 0]
    assert (weights.transpose(0, 1).movedim(-1, 1)[padding] == 0).all()


@every_field
def test_weights_of_tokens_that_hold_signal_add_up_to_1(field: Field, size: tuple[int, int]) -> None:
    windows = Windows.of(field, size, True)
    attention = WindowAttention(8, 2, size, 0.0, 0.0)
    q = windows.cut(tokens(field)).unflatten(-1, (2, 4)).transpose(2, 3)
    real = windows.cut(field.valid().view(1, -1, 1))[0, :, :, 0]
    sums = attention.weights(q, q, windows.allowed()).sum(dim=-1).transpose(0, 1).movedim(-1, 1)[real]
    assert torch.allclose(sums, torch.ones_like(sums))


def test_weights_match_a_loop_over_pairs() -> None:
    """Softmax over keys of q.k / sqrt(d) + bias of the relative position."""
    attention = WindowAttention(6, 1, (2, 3), 0.0, 0.0)
    q, k = tokens(Field(2, 3, (2, 3)), 6, seed=1)[:, None, None], tokens(Field(2, 3, (2, 3)), 6, seed=2)[:, None, None]
    table = attention.bias.view(3, 5)
    scores = torch.empty(6, 6)
    for i in range(6):
        for j in range(6):
            down, right = i // 3 - j // 3, i % 3 - j % 3
            scores[i, j] = (q[0, 0, 0, i] @ k[0, 0, 0, j]) / 6**0.5 + table[down + 1, right + 2].item()
    assert torch.allclose(attention.weights(q, k, None)[0, 0, 0], scores.softmax(dim=1), atol=1e-6)


@every_field
def test_what_padding_holds_does_not_reach_the_signal(field: Field, size: tuple[int, int]) -> None:
    block = SwinBlock(8, 2, 2, size, True, Drops())
    x, valid = tokens(field), field.valid()
    changed = torch.where(valid[:, None], x, 1e3)
    assert torch.equal(block(x, field)[:, valid], block(changed, field)[:, valid])


@every_field
def test_everything_is_finite_where_a_window_is_all_padding(field: Field, size: tuple[int, int]) -> None:
    block, x = SwinBlock(8, 2, 2, size, True, Drops()), tokens(field).requires_grad_()
    block(x, field).square().sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())


def reached(blocks: list[SwinBlock], field: Field, row: int, col: int) -> Tensor:
    """Places that a change at one place reaches, ``(row, col)`` bool."""
    x = tokens(field, batch=1)
    changed = x.clone()
    changed[0, row * field.cols + col, 0] += 1
    for block in blocks:
        x, changed = block(x, field), block(changed, field)
    return (x != changed).any(dim=-1).view(field.rows, field.cols)


def test_without_a_shift_a_window_keeps_to_itself() -> None:
    seen = reached([SwinBlock(8, 2, 2, (3, 3), False, Drops())], Field(3, 6, (3, 6)), 1, 2)
    assert bool(seen[:, :3].all()) and not bool(seen[:, 3:].any())


def test_check_6_a_change_reaches_the_neighbour_where_one_axis_is_one_window() -> None:
    """The field of the last stage of the published sizes: three rows, as high as a window."""
    blocks = [SwinBlock(8, 2, 2, (3, 3), shifted, Drops()) for shifted in (False, True)]
    assert bool(reached(blocks, Field(3, 9, (3, 9)), 0, 2)[:, 3:6].any())


def test_an_axis_with_one_window_is_not_shifted() -> None:
    assert Windows.of(Field(3, 9, (3, 9)), (3, 3), True).shift == (0, 1)


def test_the_roll_does_not_join_opposite_edges() -> None:
    seen = reached([SwinBlock(8, 2, 2, (3, 3), True, Drops())], Field(3, 9, (3, 9)), 1, 0)
    assert not bool(seen[:, 1:].any())


def test_merging_puts_two_by_two_together() -> None:
    """LayerNorm and a linear map of the four tokens side by side, in a loop."""
    field, merging = Field(4, 6, (4, 6)), Merging(3)
    x = tokens(field, 3)
    grid, want = x.view(2, 4, 6, 3), []
    for r in range(2):
        for c in range(3):
            four = grid[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].reshape(2, 12)
            want.append(merging.reduce(merging.norm(four)))
    assert torch.allclose(merging(x, field), torch.stack(want, dim=1), atol=1e-6)


def test_merged_padding_holds_nothing() -> None:
    field, merging = Field(4, 4, (3, 3)), Merging(3)
    x = tokens(field, 3)
    assert torch.equal(merging(x, field), merging(torch.where(field.valid()[:, None], x, 9.0), field))


def test_a_token_made_of_any_signal_is_no_padding() -> None:
    assert Field(12, 48, (10, 41)).merged() == Field(6, 24, (5, 21))


def test_no_path_is_dropped_outside_training() -> None:
    field = Field(3, 3, (3, 3))
    block = SwinBlock(8, 2, 2, (3, 3), False, Drops(0.5, 0.5, 0.5)).eval()
    assert torch.equal(block(tokens(field), field), block(tokens(field), field))


def test_a_window_that_skips_both_branches_stays_as_it_is() -> None:
    torch.manual_seed(0)
    field, block = Field(3, 3, (3, 3)), SwinBlock(8, 2, 2, (3, 3), False, Drops(paths=0.7)).train()
    x = tokens(field, batch=64)
    same = (block(x, field) == x).all(dim=-1).all(dim=-1).float().mean()
    assert 0.3 < same < 0.7  # 0.49 expected


# --- the whole network -----------------------------------------------------------------------------------------------


def test_windows_are_chosen_for_little_padding() -> None:
    assert SwinOptions().layout(20, 6).windows == ((5, 4), (5, 4), (5, 2))


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("length", [*range(1, 33), 57, 100])
def test_no_choice_of_windows_of_one_size_pads_less(length: int, stages: int) -> None:
    """Of all sides from 2 to 5, the same in every stage, as the published sizes have it."""
    chosen = SwinOptions(depths=(1,) * stages).layout(length, 1).field(length, 1).rows
    assert chosen <= min(-(-length // (side * 2 ** (stages - 1))) * side * 2 ** (stages - 1) for side in range(2, 6))


def test_a_short_axis_is_one_window() -> None:
    assert fitting(1, 1) == (1,)


@pytest.mark.parametrize("window", [None, (3, 3), (2, 5)])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (3, 7), (19, 6), (40, 30)])
def test_every_stage_is_divided_by_its_windows(rows: int, cols: int, window: tuple[int, int] | None) -> None:
    layout = SwinOptions(window=window).layout(rows, cols)
    field = layout.field(rows, cols)
    for size in layout.windows:
        assert (field.rows % size[0], field.cols % size[1]) == (0, 0)
        field = field.merged()


def trunk(rows: int = 5, cols: int = 7, **options: object) -> tuple[SwinTrunk, Field]:
    made = SwinOptions.model_validate({"width": 8, "depths": (2, 2), "code": 6, "window": (2, 2), **options})
    layout = made.layout(rows, cols)
    field = layout.field(rows, cols)
    torch.manual_seed(0)
    return SwinTrunk(4, field, layout, made), field


def test_the_code_does_not_depend_on_padding() -> None:
    net, field = trunk()
    x = tokens(field, 4)
    changed = torch.where(field.valid()[:, None], x, 50.0)
    assert torch.equal(net(x, field), net(changed, field))


@pytest.mark.parametrize("hidden_token", [True, False])
def test_hidden_patches_leave_no_trace(hidden_token: bool) -> None:
    net, field = trunk(hidden_token=hidden_token)
    x, keep = tokens(field, 4), torch.rand(2, field.rows * field.cols) < 0.3
    changed = torch.where(keep[:, :, None], x, torch.tensor(float("nan")))
    assert torch.equal(net(x, field, keep), net(changed, field, keep))


def test_the_hidden_token_differs_from_an_empty_patch() -> None:
    net, field = trunk()
    x, keep = torch.zeros_like(tokens(field, 4)), torch.zeros(2, field.rows * field.cols, dtype=torch.bool)
    assert not torch.allclose(net(x, field, keep), net(x, field))


def test_another_window_length_uses_interpolated_positions() -> None:
    net, _ = trunk()
    longer = net.options.layout(11, 7).field(11, 7)
    assert net(tokens(longer, 4), longer).shape == (2, 6)


def test_positions_tell_places_apart() -> None:
    with_table, field = trunk(depths=(1,))
    without, _ = trunk(depths=(1,), position_table=False)
    x = tokens(field, 4)
    moved = x.roll(2 * field.cols, 1)  # whole windows, which look alike to a network without positions
    gaps = [(net(x, field) - net(moved, field)).abs().max() for net in (without, with_table)]
    full = Field(field.rows, field.cols, (field.rows, field.cols))
    gaps[0] = (without(x, full) - without(moved, full)).abs().max()
    assert gaps[0] < 1e-6 < gaps[1]


def test_a_frozen_embedding_gets_no_gradient() -> None:
    net, field = trunk(freeze_patch_embed=True)
    net(tokens(field, 4), field).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == [
        "embed.0.weight",
        "embed.0.bias",
        "embed.1.weight",
        "embed.1.bias",
    ]


def test_later_blocks_are_skipped_more_often() -> None:
    net, _ = trunk(drop_path=0.3)
    shares = [block.drops.paths for stage in net.stages for block in stage]  # type: ignore[union-attr]
    assert shares == pytest.approx([0.0, 0.1, 0.2, 0.3])
