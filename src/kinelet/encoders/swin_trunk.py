"""The Swin-like network from patches to a code, whatever the patches were cut from."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinelet.encoders.swin_blocks import Drops, Merging, SwinBlock, without_padding
from kinelet.encoders.swin_options import Layout, SwinOptions
from kinelet.encoders.swin_windows import MERGED, Field
from kinelet.functional.dropout import dropout


class SwinTrunk(nn.Module):
    """Patches of an image, embedded, mixed in shifted windows over stages that merge two by two, read as one code.

    Args:
        values: Numbers in a patch.
        field: Field of tokens that positions, and a flattening readout, are made for.
        layout: Windows of attention.
        options: What else it is made of.

    Source: Liu et al. 2021, arXiv 2103.14030; without its last norm, as InfoMAE's published counts need it.
    """

    def __init__(self, values: int, field: Field, layout: Layout, options: SwinOptions) -> None:
        super().__init__()
        self.reference, self.options, width = field, options, options.width
        self.embed = nn.Sequential(nn.Linear(values, width), nn.LayerNorm(width))
        self.embed.requires_grad_(not options.freeze_patch_embed)
        count = field.rows * field.cols
        self.positions = _table(count, width) if options.position_table else None
        self.hidden = nn.Parameter(_table(1, width).data[0]) if options.hidden_token else None
        self.stages = nn.ModuleList(_stages(options, layout))
        widths = [width * 2**i for i in range(len(options.depths))]
        self.mergings = nn.ModuleList(Merging(w) for w in widths[:-1])
        self.width = widths[-1]
        left = count // MERGED ** (2 * len(options.depths) - 2)
        flat = self.width * (left if options.readout == "flatten" else 1)
        self.norm = nn.LayerNorm(self.width) if options.readout == "mean" else nn.Identity()
        self.code = nn.Linear(flat, options.code)

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


def _stages(options: SwinOptions, layout: Layout) -> list[nn.ModuleList]:
    """Blocks by stage; every second one shifts its windows, and later ones are skipped more often."""
    last = max(1, sum(options.depths) - 1)
    paths = [options.drop_path * i / last for i in range(sum(options.depths))]
    stages = []
    for stage, (depth, window) in enumerate(zip(options.depths, layout.windows, strict=True)):
        drops = [Drops(options.dropout, options.attention_dropout, paths.pop(0)) for _ in range(depth)]
        width = options.width * 2**stage
        blocks = [
            SwinBlock(width, options.heads, options.mlp_ratio, window, i % 2 == 1, drop) for i, drop in enumerate(drops)
        ]
        stages.append(nn.ModuleList(blocks))
    return stages
