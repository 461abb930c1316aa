"""What a Swin-like network is made of, and how its windows are laid out over a field of tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import Field as Option
from pydantic import model_validator

from kinelet.config import FrozenModel
from kinelet.encoders.swin_windows import MERGED, Field, Pair

LARGEST_WINDOW = 5


class SwinOptions(FrozenModel):
    """What a Swin-like network is made of.

    Attributes:
        width: Of the tokens of the first stage; it doubles from stage to stage.
        depths: Blocks of each stage; every second one shifts its windows.
        heads: Attention heads of every stage.
        window: Rows and columns of a window of attention in every stage. None: along each axis at most 5, so that
            little is padded; the whole axis where that is less.
        mlp_ratio: Width of the hidden layer of each MLP over that of the tokens.
        code: Width of the embedding.
        readout: ``mean`` over the tokens of the last stage works for windows of any length, ``flatten`` only for
            the one it was built for, but knows where things are.
        position_table: Whether a learned position is added to each token.
        hidden_token: Whether hidden patches become a learned token of their own; otherwise an empty patch.
        freeze_patch_embed: Whether the embedding of patches stays as it was drawn.
        dropout: Share dropped of tokens and of what attention and MLPs give, in training.
        attention_dropout: Share dropped of the weights of attention, in training.
        drop_path: Share of windows that skip the last residual branch in training; earlier ones are skipped less.
    """

    width: int = Option(default=32, ge=4, le=1024)
    depths: tuple[int, ...] = Option(default=(2, 2, 2), min_length=1, max_length=5)
    heads: int = Option(default=4, ge=1, le=64)
    window: Pair | None = None
    mlp_ratio: int = Option(default=4, ge=1, le=8)
    code: int = Option(default=128, ge=1, le=65536)
    readout: Literal["mean", "flatten"] = "mean"
    position_table: bool = True
    hidden_token: bool = True
    freeze_patch_embed: bool = False
    dropout: float = Option(default=0.0, ge=0, lt=1)
    attention_dropout: float = Option(default=0.0, ge=0, lt=1)
    drop_path: float = Option(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _possible(self) -> SwinOptions:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        if min(self.depths) < 1 or min(self.window or (1, 1)) < 1:
            raise ValueError("a stage has a block at least, and a window a token")
        return self

    def layout(self, rows: int, cols: int) -> Layout:
        """Windows and padding for fields of about ``rows`` by ``cols`` tokens."""
        stages = len(self.depths)
        sizes = (None, None) if self.window is None else self.window
        down, across = (
            fitting(length, stages) if size is None else (size,) * stages
            for length, size in zip((rows, cols), sizes, strict=True)
        )
        return Layout(tuple(zip(down, across, strict=True)))


@dataclass(frozen=True)
class Layout:
    """How windows lie on fields.

    Attributes:
        windows: Rows and columns of a window, stage by stage.
    """

    windows: tuple[Pair, ...]

    @property
    def multiple(self) -> Pair:
        """Fields have rows and columns in multiples of these, so that windows divide them in every stage."""
        down, across = (
            math.lcm(*(side[axis] * MERGED**stage for stage, side in enumerate(self.windows))) for axis in (0, 1)
        )
        return down, across

    def field(self, rows: int, cols: int) -> Field:
        """The field of ``rows`` by ``cols`` tokens with its padding."""
        down, across = self.multiple
        return Field(-(-rows // down) * down, -(-cols // across) * across, (rows, cols))


def fitting(length: int, stages: int) -> tuple[int, ...]:
    """Sides of windows, stage by stage, that pad ``length`` tokens least; the larger of equals.

    >>> fitting(20, 3), fitting(9, 3), fitting(4, 3)
    ((5, 5, 5), (3, 3, 3), (4, 2, 1))
    """
    last = MERGED ** (stages - 1)
    padded = -(-length // last) * last
    while True:
        lengths = [padded // MERGED**stage for stage in range(stages)]
        for side in range(LARGEST_WINDOW, 1, -1):
            sides = tuple(min(side, here) for here in lengths)
            if all(here % s == 0 for here, s in zip(lengths, sides, strict=True)):
                return sides
        padded += last
