"""Images cut into patches and put together again."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grid_toys import image_of
from kinelet.encoders.grid import Grid

sizes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
sides = st.tuples(st.integers(1, 4), st.integers(1, 4))


def image_of_size(size: tuple[int, int, int], batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(0))


@given(size=sizes, patch=sides, multiple=sides)
@settings(max_examples=60, deadline=None)
def test_patches_put_together_are_the_image(
    size: tuple[int, int, int], patch: tuple[int, int], multiple: tuple[int, int]
) -> None:
    image = image_of_size(size)
    grid = Grid.of(image, patch, multiple)
    assert torch.equal(image_of(grid, grid.patches(image)), image)


@given(size=sizes, patch=sides, multiple=sides)
@settings(max_examples=60, deadline=None)
def test_patches_hold_what_lies_at_their_place_and_noughts_beyond(
    size: tuple[int, int, int], patch: tuple[int, int], multiple: tuple[int, int]
) -> None:
    image = image_of_size(size, 1)
    grid = Grid.of(image, patch, multiple)
    wanted = torch.zeros(grid.n, grid.values)
    real = torch.zeros(grid.n, grid.values, dtype=torch.bool)
    for plane in range(size[0]):
        for row in range(size[1]):
            for col in range(size[2]):
                n = (row // patch[0]) * grid.cols + col // patch[1]
                value = (plane * patch[0] + row % patch[0]) * patch[1] + col % patch[1]
                wanted[n, value], real[n, value] = image[0, plane, row, col], True
    same = torch.equal(grid.patches(image)[0], wanted) and torch.equal(grid.cell_mask(), real)
    assert same and torch.equal(grid.valid, real.any(dim=1))


@given(size=sizes, patch=sides, multiple=sides)
@settings(max_examples=60, deadline=None)
def test_grids_are_as_small_as_multiples_allow(
    size: tuple[int, int, int], patch: tuple[int, int], multiple: tuple[int, int]
) -> None:
    grid = Grid.of(image_of_size(size), patch, multiple)
    for side, real, step in zip((grid.rows, grid.cols), size[1:], (0, 1), strict=True):
        cover = side * patch[step]
        assert side % multiple[step] == 0 and cover >= real > cover - multiple[step] * patch[step]


@pytest.mark.parametrize(("multiple", "padded"), [((1, 1), False), ((4, 1), True), ((1, 4), True)])
def test_padding_is_told(multiple: tuple[int, int], padded: bool) -> None:
    grid = Grid.of(image_of_size((1, 5, 5)), (1, 2), multiple)
    assert grid.padded == padded == (not bool(grid.valid.all()))


def test_cells_count_each_cell_of_the_image_once() -> None:
    assert int(Grid.of(image_of_size((3, 5, 7)), (2, 3), (4, 1)).cells.sum()) == 35


def test_places_tell_rows_and_columns_apart() -> None:
    image = image_of_size((1, 6, 6))
    places = Grid.of(image, (1, 2)).places(16, image)
    assert places.shape == (18, 16) and len(places.unique(dim=0)) == 18


def test_places_of_one_row_share_half_their_code() -> None:
    image = image_of_size((1, 6, 6))
    places = Grid.of(image, (1, 2)).places(16, image).unflatten(0, (6, 3))
    assert (places[:, :1, :8] == places[:, :, :8]).all() and (places[:1, :, 8:] == places[:, :, 8:]).all()
