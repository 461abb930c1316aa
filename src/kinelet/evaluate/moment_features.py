"""Vectors of moments: what the encoders of several modalities make of them, as columns for a probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from kinelet.corpus.moments import Moments
from kinelet.deploy.multimodal import Multimodal
from kinelet.errors import BadOptionError
from kinelet.evaluate.modality_probe import Group
from kinelet.evaluate.task import FloatArray, Kind, Task

Features = Mapping[str, Mapping[str, FloatArray]]
"""By modality and part (``backbone``, ``u``, ``v``), ``(moment, width)``; NaN in rows that lack the modality."""


@torch.inference_mode()
def embed_moments(model: Multimodal, moments: Moments, batch_size: int = 512) -> dict[str, dict[str, FloatArray]]:
    """All parts of all modalities of some moments, in evaluation mode, without noise.

    Args:
        model: The encoders.
        moments: With the modalities of the model, in its signals.
        batch_size: Moments a pass; results do not depend on it.

    Raises:
        BadOptionError: if the moments lack a modality of the model altogether.
        SpecMismatchError: if a signal is not the one that an encoder expects.
    """
    _require_fit(model, moments)
    model.eval()
    column = {name: moments.names.index(name) for name in model.names}
    parts: dict[str, dict[str, list[FloatArray]]] = {name: {} for name in model.names}
    for i in range(0, len(moments), batch_size):
        index = np.arange(i, min(i + batch_size, len(moments)))
        windows = moments.gather(index)
        for name in model.names:
            there = moments.present[index, column[name]]
            found = model.of(name).outputs(torch.as_tensor(windows[name][there]))
            for part, vectors in found.items():
                if part != "uv":
                    whole = np.full((len(index), vectors.shape[1]), np.nan, dtype=np.float32)
                    whole[there] = vectors.float().numpy()
                    parts[name].setdefault(part, []).append(whole)
    return {name: {part: np.concatenate(v) for part, v in found.items()} for name, found in parts.items()}


def columns(features: Features, names: Sequence[str], parts: Sequence[str]) -> tuple[FloatArray, tuple[Group, ...]]:
    """Parts of some modalities side by side, ``(moment, columns)``, and which columns are whose."""
    blocks = [np.concatenate([features[name][part] for part in parts], axis=1) for name in names]
    groups = tuple(Group(name=name, columns=b.shape[1]) for name, b in zip(names, blocks, strict=True))
    return np.concatenate(blocks, axis=1), groups


def task_of(moments: Moments, *, target: Kind, name: str) -> tuple[Task, npt.NDArray[np.int64]]:
    """A task without vectors as yet, and which moments it is of: those with a label, or a value.

    Raises:
        BadOptionError: if there are none.
    """
    classes = tuple(moments.classes) if target == "classes" else ()
    y = moments.label if classes else moments.value
    keep = np.flatnonzero(y >= 0) if classes else np.flatnonzero(np.isfinite(y))
    if not len(keep):
        raise BadOptionError(
            f"no moment has a {'label' if target == 'classes' else 'value'}",
            where=f"task {name!r}",
            remedy="Choose another track, a lower purity or shorter windows",
        )
    task = Task(
        x=np.zeros((len(keep), 0), dtype=np.float32),
        y=y[keep],
        subject=moments.subject[keep].astype(np.int64),
        subjects=tuple(moments.subjects),
        spec=moments.specs[moments.names[0]],
        classes=classes,
        recording=moments.clock[keep].astype(np.int64),
        start_s=moments.time_s[keep],
        identities=tuple(frozenset(moments.corpus.identities([s])) for s in moments.subjects),
        name=name,
    )
    return task, keep


def _require_fit(model: Multimodal, moments: Moments) -> None:
    lacking = sorted(set(model.names) - set(moments.names))
    if lacking:
        raise BadOptionError(
            f"the moments lack {', '.join(lacking)}",
            where="modalities",
            remedy=f"Cut them with {', '.join(model.names)}",
        )
    for name in model.names:
        model.of(name).check_spec(moments.specs[name])
