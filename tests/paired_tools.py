"""Batches of paired windows made by hand, a method on them, and PRIMUS's loss as loops over rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kinelet.config import validate
from kinelet.encoders.registry import create_encoder
from kinelet.methods.base import Batch, Modality
from kinelet.methods.primus import Primus, PrimusConfig
from test_functional_paired import naive_paired_nce

TEXT, VIDEO = Modality("text", 12, "words", tower="minilm", probe="abc"), Modality("video", 10, "pictures")
#: Video in the space of the text.
CLIP = Modality("video", 12, "words")
TIME = 125


def unit(z: Tensor) -> Tensor:
    return torch.nn.functional.normalize(z, dim=-1)


def vector_of(modality: Modality, item: int) -> Tensor:
    """The vector of an item: the same item has the same one, in every batch."""
    g = torch.Generator().manual_seed(7919 * item + modality.dim + 31 * len(modality.name))
    return unit(torch.randn(modality.dim, generator=g))


def vectors_of(modality: Modality, item: Tensor) -> Tensor:
    zero = torch.zeros(modality.dim)
    return torch.stack([vector_of(modality, i) if i >= 0 else zero for i in item.tolist()])


def paired_batch(
    rows: int,
    modalities: tuple[Modality, ...] = (TEXT, VIDEO),
    *,
    step: int = 0,
    items: int = 1000,
    missing: float = 0.0,
    recordings: int = 1_000_000,
    spacing_s: float = 100.0,
    time: int = TIME,
    channels: int = 6,
) -> Batch:
    """Noise, each row paired with one to three of ``items`` items, of which the first is shown.

    With the defaults, no rows overlap and hardly any share an item.
    """
    g = torch.Generator().manual_seed(1000 + step)
    x = torch.randn(rows, channels, time, generator=g)
    x += torch.randn(rows, channels, 1, generator=g)
    recording = torch.randint(0, recordings, (rows,), generator=g)
    batch: Any = {
        "x": x,
        "subject": recording % 7,
        "part": torch.zeros(rows, dtype=torch.int64),
        "recording": recording % 5,
        "moment.recording": recording,
        "time_s": spacing_s * torch.rand(rows, generator=g).double(),
        "generators": [torch.Generator().manual_seed(step)],
    }
    for modality in modalities:
        told = torch.randint(0, items, (rows, 3), generator=g)
        told = torch.where(torch.arange(3) < torch.randint(1, 4, (rows, 1), generator=g), told, -1)
        told = torch.where(torch.rand(rows, 1, generator=g) < missing, -1, told)
        batch[f"items.{modality.name}"], batch[f"item.{modality.name}"] = told, told[:, 0].clone()
        batch[f"vectors.{modality.name}"] = vectors_of(modality, told[:, 0])
    return batch  # type: ignore[no-any-return]


def without(batch: Batch, name: str, rows: Tensor) -> Batch:
    """The batch with a modality taken from some rows."""
    changed: Any = dict(batch)
    changed[f"vectors.{name}"] = torch.where(rows[:, None], 0, changed[f"vectors.{name}"])
    for key in (f"item.{name}", f"items.{name}"):
        value = changed[key]
        changed[key] = torch.where(rows if value.ndim == 1 else rows[:, None], -1, value)
    return changed  # type: ignore[no-any-return]


def part_of(batch: Batch, rows: Any) -> Batch:
    """Some rows of a batch, with the generators of all."""
    kept: Any = {k: v[rows] if isinstance(v, Tensor) else v for k, v in batch.items()}
    return kept  # type: ignore[no-any-return]


def primus(modalities: tuple[Modality, ...] = (TEXT, VIDEO), hidden: int = 16, **options: Any) -> Primus:
    torch.manual_seed(0)
    config: Any = validate(PrimusConfig, options)
    return Primus(create_encoder("stacked_rnn", channels=6, hidden=hidden), config, modalities)


def no_augmentation(**options: Any) -> dict[str, Any]:
    return {"augmentations": "none", **options}


def related(batch: Any, name: str | None, length_s: float = TIME / 50) -> tuple[Tensor, Tensor]:
    """Who shares an item of a modality, and who overlaps in time: key j and query i, by loops."""
    count = len(batch["x"])
    same, near = torch.zeros(2, count, count, dtype=torch.bool)
    for i in range(count):
        for j in range(count):
            if name is not None:
                item = int(batch[f"item.{name}"][j])
                same[i, j] = item >= 0 and item in batch[f"items.{name}"][i].tolist()
            apart = abs(float(batch["time_s"][i] - batch["time_s"][j]))
            near[i, j] = apart < length_s and batch["moment.recording"][i] == batch["moment.recording"][j]
    return same, near


def naive_direct(method: Primus, batch: Any, term: str) -> float:
    """A direct term with the default roles: the same item is a positive, overlap is ignored. No augmentation."""
    outputs = {k: v.detach().double() for k, v in method.encoder.outputs(batch["x"]).items()}
    same, near = related(batch, None if term == "ss" else term)
    if term == "ss":
        everyone = torch.ones(len(near), dtype=torch.bool)
        return naive_paired_nce(outputs["ss"], outputs["ss"], everyone, same, near, tau=0.1)
    q, k = outputs[method.plan.head_of[term]], batch[f"vectors.{term}"].double()
    valid = batch[f"item.{term}"] >= 0
    return naive_paired_nce(q, torch.where(valid[:, None], k, 1.0), valid, same, near, tau=0.1)
