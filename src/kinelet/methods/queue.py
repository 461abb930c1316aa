"""A queue of earlier windows in which each window's nearest neighbour is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from kinelet.errors import BadOptionError
from kinelet.functional.precision import full_precision, unit

# Similarities that are held at once while searching.
_AT_ONCE = 2**20


class NeighbourQueue(nn.Module):
    """Ring of the last ``size`` windows: their vectors in several spaces, and where and when they were recorded.

    All is held in buffers, so that it is saved, restored and moved with the module. Vectors are detached and of
    length 1. Not to be fed while it is being searched for the same windows: search first.

    Args:
        size: Windows that are held.
        dims: Width of the vectors of each space, by name.

    Attributes:
        alike: Processes that are fed the rows of all of them hold the same without being sent it.
        fill: Windows held so far, int64 scalar.
        ptr: Slot that the next window goes to, int64 scalar.

    Raises:
        BadOptionError: if the size or a width is below 1, or there are no spaces.

    Source: Dwibedi et al. 2021 (NNCLR), arXiv 2104.14548, section 3.2.
    """

    alike: ClassVar[bool] = True
    fill: Tensor
    ptr: Tensor
    recording: Tensor
    start_s: Tensor

    def __init__(self, size: int, dims: Mapping[str, int]) -> None:
        super().__init__()
        if size < 1 or not dims or min(dims.values()) < 1:
            raise BadOptionError(f"a queue of {size} windows with vectors of widths {dict(dims)}")
        self.size, self.names = size, tuple(dims)
        for name, dim in dims.items():
            self.register_buffer(f"vectors_{name}", torch.zeros(size, dim))
            self.register_buffer(f"has_{name}", torch.zeros(size, dtype=torch.bool))
        self.register_buffer("recording", torch.full((size,), -1))
        self.register_buffer("start_s", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("fill", torch.zeros((), dtype=torch.int64))
        self.register_buffer("ptr", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def search(
        self,
        name: str,
        query: Tensor,
        recording: Tensor,
        start_s: Tensor,
        exclude_s: float | None,
        *,
        valid: Tensor | None = None,
        min_fill: int = 0,
    ) -> Tensor:
        """Slot of the most similar window, by cosine, int64 ``(batch,)``; -1 where there is none.

        Args:
            name: Space to search in; slots that hold nothing in it are passed over.
            query: ``(batch, dim)``, of any length.
            recording: Recording of each query, int64 ``(batch,)``.
            start_s: Its start on the recording's clock in seconds, float64 ``(batch,)``.
            exclude_s: Slots of the same recording that start up to this many seconds away are passed over; ``None``
                for none.
            valid: Queries that are looked up, boolean ``(batch,)``; the others get -1.
            min_fill: Nothing is found before this many windows are held.
        """
        rows = max(1, _AT_ONCE // self.size)
        with full_precision(query):
            parts = [
                self._search(name, query[i : i + rows], recording[i : i + rows], start_s[i : i + rows], exclude_s)
                for i in range(0, len(query), rows)
            ]
        slot = torch.cat(parts) if parts else recording.new_zeros(0)
        if valid is not None:
            slot = slot.masked_fill(~valid, -1)
        return slot.masked_fill(self.fill < min_fill, -1) if min_fill else slot

    def _search(self, name: str, query: Tensor, recording: Tensor, start_s: Tensor, exclude_s: float | None) -> Tensor:
        vectors, has = self._held(name)
        score = query.to(vectors.dtype) @ vectors.T
        score.masked_fill_(~has, -torch.inf)
        if exclude_s is not None:
            near = (start_s[:, None] - self.start_s).abs_() <= exclude_s
            score.masked_fill_(near.logical_and_(recording[:, None] == self.recording), -torch.inf)
        best, slot = score.max(dim=1)
        return slot.masked_fill(~(best > -torch.inf), -1)

    def rows(self, name: str, slot: Tensor) -> Tensor:
        """Vectors ``(batch, dim)`` in these slots; zero for slot -1 and where the slot holds nothing in that space."""
        vectors, _ = self._held(name)
        return torch.where((slot >= 0)[:, None], vectors[slot.clamp(min=0)], 0)

    def has(self, name: str, slot: Tensor) -> Tensor:
        """Whether these slots hold something in that space, ``(batch,)``; false for slot -1."""
        return self._held(name)[1][slot.clamp(min=0)] & (slot >= 0)

    @torch.no_grad()
    def enqueue(
        self, vectors: Mapping[str, Tensor], has: Mapping[str, Tensor], recording: Tensor, start_s: Tensor
    ) -> None:
        """Put windows in, over the oldest ones; nothing happens in evaluation mode.

        Args:
            vectors: ``(batch, dim)`` of every space, by name; of any length.
            has: Rows that hold something in a space, boolean ``(batch,)``; a space left out is held by all.
            recording: Recording of each window, int64 ``(batch,)``.
            start_s: Its start on the recording's clock in seconds, float64 ``(batch,)``.
        """
        if not self.training:
            return
        kept = slice(max(0, len(recording) - self.size), None)
        slot = (self.ptr + torch.arange(len(recording), device=self.ptr.device)[kept]) % self.size
        for name in self.names:
            held, flags = self._held(name)
            own = has[name] if name in has else torch.ones_like(recording, dtype=torch.bool)
            held.index_copy_(0, slot, torch.where(own[kept, None], unit(vectors[name][kept]), 0).to(held.dtype))
            flags.index_copy_(0, slot, own[kept])
        self.recording.index_copy_(0, slot, recording[kept])
        self.start_s.index_copy_(0, slot, start_s[kept].to(self.start_s.dtype))
        self.fill.add_(len(recording)).clamp_(max=self.size)
        self.ptr.add_(len(recording)).remainder_(self.size)

    def _held(self, name: str) -> tuple[Tensor, Tensor]:
        return getattr(self, f"vectors_{name}"), getattr(self, f"has_{name}")
