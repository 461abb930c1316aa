"""The Swin-like network from patches to a code, whatever the patches were cut from."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field as Option
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from kinelet.config import FrozenModel
from kinelet.encoders.swin_blocks import Drops, Merging, SwinBlock, without_padding
from kinelet.encoders.swin_windows import MERGED, Field, Pair
from kinelet.functional.dropout import dropout

LARGEST_WINDOW = 5


class SwinOptions(FrozenModel):
    """What a Swin-like network is made of.

    Attributes:
        width: Of the tokens of the first stage; it doubles from stage to stage.
        depths: Blocks of each stage; every second one shifts its windows.
        heads: Attention heads of every stage.
        window: Rows and columns of a window of attention; None: those that need the least padding.
        mlp_ratio: Width of the hidden layer of each MLP over that of the tokens.
        dim: Width of the code.
        readout: ``mean`` over the tokens of the last stage works for windows of any length, ``flatten`` only for
            the one it was built for, but knows where things are.
        position_table: Whether a learned position is added to each token.
        hidden_token: Whether hidden patches become a learned token of their own; otherwise an empty patch.
        freeze_patch_embed: Whether the embedding of patches stays as it was drawn.
        dropout, attention_dropout: Shares dropped in training.
        drop_path: Share of windows that skip the last residual branch in training; earlier ones are skipped less.
    """

    width: int = Option(default=32, ge=4, le=1024)
    depths: tuple[int, ...] = Option(default=(2, 2, 2), min_length=1, max_length=5)
    heads: int = Option(default=4, ge=1, le=64)
    window: Pair | None = None
    mlp_ratio: int = Option(default=4, ge=1, le=8)
    dim: int = Option(default=128, ge=1, le=65536)
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

    @property
    def merged(self) -> int:
        """Tokens along each axis that end up in one token of the last stage."""
        return int(MERGED ** (len(self.depths) - 1))

    def window_for(self, rows: int, cols: int) -> Pair:
        """Size of windows for a field of ``rows`` by ``cols`` tokens."""
        return self.window or (_fitting(rows, self.merged), _fitting(cols, self.merged))

    def field(self, rows: int, cols: int, window: Pair) -> Field:
        """The field of ``rows`` by ``cols`` tokens with its padding, so that windows divide it in every stage."""
        steps = (window[0] * self.merged, window[1] * self.merged)
        return Field(-(-rows // steps[0]) * steps[0], -(-cols // steps[1]) * steps[1], (rows, cols))


def _fitting(length: int, merged: int) -> int:
    """Size of windows, 2 to 5, that pads ``length`` tokens least; the larger of equals, 1 where one token is all."""
    if length <= merged:
        return 1
    return min(range(LARGEST_WINDOW, 1, -1), key=lambda size: -length % (size * merged))


class SwinTrunk(nn.Module):
    """Patches of an image, embedded, mixed in shifted windows over stages that merge two by two, read as one code.

    Args:
        values: Numbers in a patch.
        field: Field of tokens that positions, and a flattening readout, are made for.
        window: Rows and columns of a window of attention.
        options: What else it is made of.

    Source: Liu et al. 2021, arXiv 2103.14030; without its last norm, as InfoMAE's published counts need it.
    """

    def __init__(self, values: int, field: Field, window: Pair, options: SwinOptions) -> None:
        super().__init__()
        self.reference, self.options, width = field, options, options.width
        self.embed = nn.Sequential(nn.Linear(values, width), nn.LayerNorm(width))
        self.embed.requires_grad_(not options.freeze_patch_embed)
        count = field.rows * field.cols
        self.positions = _table(count, width) if options.position_table else None
        self.hidden = nn.Parameter(_table(1, width).data[0]) if options.hidden_token else None
        self.stages = nn.ModuleList(_stages(options, window))
        widths = [width * 2**i for i in range(len(options.depths))]
        self.mergings = nn.ModuleList(Merging(w) for w in widths[:-1])
        self.width = widths[-1]
        flat = self.width * (count // options.merged**2) if options.readout == "flatten" else self.width
        self.norm = nn.LayerNorm(self.width) if options.readout == "mean" else nn.Identity()
        self.code = nn.Linear(flat, options.dim)

    def forward(self, patches: Tensor, field: Field, keep: Tensor | None = None) -> Tensor:
        """Map patches ``(batch, row * col, values)`` to codes ``(batch, dim)``.

        Args:
            patches: Of a field, padding included.
            field: The field they stand on.
            keep: Patches that may be seen, ``(batch, row * col)`` bool; None: all.
        """
        tokens, last = self.tokens(patches, field, keep)
        tokens = self.norm(without_padding(tokens, last))
        if self.options.readout == "flatten":
            return self.code(tokens.flatten(1))  # type: ignore[no-any-return]
        valid = last.valid(tokens.device)
        return self.code((tokens * valid[:, None]).sum(dim=1) / valid.sum())  # type: ignore[no-any-return]

    def tokens(self, patches: Tensor, field: Field, keep: Tensor | None = None) -> tuple[Tensor, Field]:
        """Tokens of the last stage ``(batch, row * col, width)`` and the field they stand on."""
        x = dropout(self._embedded(patches, keep) + self._positions(field), self.options.dropout, self.training)
        for i, blocks in enumerate(self.stages):
            if i:
                x, field = self.mergings[i - 1](x, field), field.merged()
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, field)
        return x, field

    def _embedded(self, patches: Tensor, keep: Tensor | None) -> Tensor:
        """Tokens of patches; what hidden ones hold is gone before anything is computed from it."""
        if keep is None:
            keep = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
        x = self.embed(patches.masked_fill(~keep[:, :, None], 0.0))
        return x if self.hidden is None else torch.where(keep[:, :, None], x, self.hidden.to(x.dtype))

    def _positions(self, field: Field) -> Tensor | float:
        """Learned positions of a field, interpolated where it is not the one they were made for."""
        if self.positions is None:
            return 0.0
        size, made = (field.rows, field.cols), (self.reference.rows, self.reference.cols)
        if size == made:
            return self.positions
        table = self.positions.reshape(*made, -1).permute(2, 0, 1)[None]
        return functional.interpolate(table, size=size, mode="bilinear", align_corners=False)[0].flatten(1).T


def _table(count: int, width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(count, width), std=0.02))


def _stages(options: SwinOptions, window: Pair) -> list[nn.ModuleList]:
    """Blocks by stage; every second one shifts its windows, and later ones are skipped more often."""
    paths = torch.linspace(0, options.drop_path, sum(options.depths)).tolist()
    stages = []
    for stage, depth in enumerate(options.depths):
        drops = [Drops(options.dropout, options.attention_dropout, paths.pop(0)) for _ in range(depth)]
        width = options.width * 2**stage
        blocks = [
            SwinBlock(width, options.heads, options.mlp_ratio, window, i % 2 == 1, drop) for i, drop in enumerate(drops)
        ]
        stages.append(nn.ModuleList(blocks))
    return stages
