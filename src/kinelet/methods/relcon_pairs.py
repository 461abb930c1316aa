"""Which window is compared with which: index arithmetic on a batch, without networks or state."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

Kind = Literal["batch", "every"]
Which = Literal["both", "within", "between"]
Between = Literal["all", "part"]


def candidate_index(
    kind: Kind,
    rows: int,
    size: int,
    subject: Tensor,
    part: Tensor | None = None,
    which: Which = "both",
    between: Between = "all",
    *,
    first: int = 0,
) -> tuple[Tensor, Tensor]:
    """Candidates of every anchor of a batch, as rows of its windows, and which of them count.

    * ``batch``: rows are anchors and each has ``size`` windows of its own person beside it. The windows are
      ``cat([x, candidates.flatten(0, 1)])``. Candidates within: its own ``size`` windows. Between: the other anchors,
      row i + 1 first, then i + 2, … around the end.
    * ``every``: rows are groups of ``size`` consecutive windows, each group one person's, and every row is an anchor.
      The windows are ``x``. Candidates within: the others of the group, in their order. Between: the row at the same
      place of each other group, that of the next group first, … around the end.

    Within come before between. Between-candidates of the anchor's own person do not count; neither do, with
    ``between="part"``, those of another part.

    Args:
        kind: How the batch is laid out.
        rows: Rows of ``x`` that are anchors here, without those of other processes.
        size: Candidates of an anchor (``batch``) or windows in a group (``every``).
        subject: Codes ``(total,)`` of the rows of ``x`` of all processes; this process's begin at ``first``.
        part: Codes ``(total,)`` of data sets, needed for ``between="part"``.
        which: Which kinds of candidates.
        between: Who counts as a between-candidate.
        first: Row of the whole batch that is this process's first. ``x`` above is that of all processes, candidates
            are this process's.

    Returns:
        ``index`` ``(rows, N)``, int64, and ``mask`` ``(rows, N)``, boolean, both on the device of ``subject``.

    Raises:
        BadOptionError: if rows are not whole groups, or ``part`` is needed and missing.

    Source: Xu et al. 2024 (RelCon), arXiv 2411.18822 (ICLR 2025).
    """
    total, device = len(subject), subject.device
    unit = size if kind == "every" else 1
    if unit < 1 or rows % unit or total % unit or first % unit or not 0 <= first <= total - rows:
        raise BadOptionError(
            f"{rows} rows from {first} of {total} are not whole groups of {unit} windows",
            where="candidates",
            remedy="Use a batch size that is a multiple of the group and of the number of processes",
        )
    anchor = torch.arange(first, first + rows, device=device)
    inside = _group_mates(anchor, size) if kind == "every" else _own_windows(rows, size, total, device)
    # Groups shift by whole groups, so that the place in the group stays.
    outside = (anchor[:, None] + torch.arange(unit, total, unit, device=device)) % total
    strangers = subject[outside] != subject[anchor, None]
    if between == "part":
        if part is None:
            raise BadOptionError("between='part' needs the parts of the rows", where="candidates")
        strangers &= part[outside] == part[anchor, None]
    pieces = {"within": (inside, torch.ones_like(inside, dtype=torch.bool)), "between": (outside, strangers)}
    used = list(pieces.values()) if which == "both" else [pieces[which]]
    return torch.cat([index for index, _ in used], dim=1), torch.cat([mask for _, mask in used], dim=1)


def pair_rows(index: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
    """Anchor and candidate of every entry of ``index`` ``(rows, N)``, row by row: two int64 ``(rows * N,)``."""
    anchor = torch.arange(first, first + len(index), device=index.device)
    return anchor.repeat_interleave(index.shape[1]), index.flatten()


def _own_windows(rows: int, size: int, total: int, device: torch.device) -> Tensor:
    """Rows ``(rows, size)`` of the windows that came beside each anchor; they follow all anchors."""
    return total + torch.arange(rows * size, device=device).reshape(rows, size)


def _group_mates(anchor: Tensor, size: int) -> Tensor:
    """Rows ``(rows, size - 1)`` of the others of each anchor's group, ascending."""
    place = torch.arange(size - 1, device=anchor.device)
    own = (anchor % size)[:, None]
    return (anchor[:, None] - own) + place + (place >= own)
