"""What every distance between windows is, and opening one by name or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from kinelet.config import FrozenModel, validate
from kinelet.distances.io import distance_hash, load_distance
from kinelet.distances.network import MotifNetwork
from kinelet.distances.simple import DTW, Euclid
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.functional.motif import motif_distance
from kinelet.signal.spec import SignalSpec


class EuclidOptions(FrozenModel):
    """Options of :class:`~kinelet.distances.simple.Euclid`."""

    offset_free: bool = False


class DTWOptions(FrozenModel):
    """Options of :class:`~kinelet.distances.simple.DTW`."""

    band: float = Field(default=0.1, ge=0, le=1)
    offset_free: bool = False


NAMES: dict[str, tuple[type, type[FrozenModel]]] = {"euclid": (Euclid, EuclidOptions), "dtw": (DTW, DTWOptions)}


class Distance(Protocol):
    """Something that says how far windows are from each other; not necessarily symmetric.

    Attributes:
        subjects: People that it was learnt from, as cards name them.
    """

    subjects: tuple[str, ...]

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        """Distances of pairs of windows, without gradient.

        Args:
            x: Windows ``(M, channel, time)``.
            anchor: Rows of ``x``, int64 ``(P,)``.
            candidate: Rows of ``x``, int64 ``(P,)``.

        Returns:
            float32 ``(P,)``.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Plain facts for a card: kind, options, hash of the weights."""
        ...


class MotifDistance(nn.Module):
    """A motif network as a distance.

    Args:
        net: The network; it is frozen.
        digest: :func:`~kinelet.distances.io.distance_hash` of where it lies, if it lies anywhere.
        options: Options of :func:`~kinelet.functional.motif_distance`.

    Raises:
        BadOptionError: on an option that does not fit.
    """

    def __init__(self, net: MotifNetwork, digest: str = "", **options: Any) -> None:
        super().__init__()
        self.net, self.digest, self.options = net.requires_grad_(False).eval(), digest, options
        self.subjects = tuple(net.card.get("pretrain_subjects", ()))
        # No pairs: an option that does not fit is told now, not in the first step of a run.
        none = torch.zeros(0, len(net.spec.channels), 2, device=net.out.weight.device)
        motif_distance(net, none, none, **options)

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        """See :meth:`Distance.pairs`."""
        return motif_distance(self.net, x, x, torch.stack([anchor, candidate], dim=1), **self.options).float()

    def describe(self) -> dict[str, Any]:
        """See :meth:`Distance.describe`."""
        facts = {"kind": "motif", "config": self.net.config.model_dump(mode="json"), "sha256": self.digest}
        return facts | {"used_with": dict(self.options)}


def open_distance(name: str | Path, spec: SignalSpec, **options: Any) -> Distance:
    """Open a distance for windows of ``spec``.

    Args:
        name: ``euclid``, ``dtw``, the folder of a saved distance, or a run directory that holds one.
        spec: Signal of the windows, with their length.
        options: Of the distance: of :class:`~kinelet.distances.simple.Euclid` or
            :class:`~kinelet.distances.simple.DTW`, or of :func:`~kinelet.functional.motif_distance`.

    Raises:
        BadOptionError: on an unknown name or option.
        SpecMismatchError: if the distance is for another rate, unit, channels or length.
    """
    folder = find_distance(name)
    if folder is None:
        kind, allowed = NAMES[str(name)]
        named: Distance = kind(**validate(allowed, options, where=f"options of distance {name}").model_dump())
        return named
    net = load_distance(folder)
    net.spec.require(spec, where=f"distance {folder}")
    if net.spec.window_s and spec.window_s and net.spec.window_samples != spec.window_samples:
        raise SpecMismatchError(
            f"trained on windows of {net.spec.window_s:g} s, but these are of {spec.window_s:g} s, "
            "and distances of other lengths are of another size",
            where=f"distance {folder}",
            remedy="Use windows of that length, or train a distance on these",
        )
    return MotifDistance(net, distance_hash(folder), **options)


def identity(name: str | Path) -> str:
    """What stays the same wherever a distance lies: its name, or the hash of its weights.

    Raises:
        BadOptionError: if it is neither a name nor a folder.
    """
    folder = find_distance(name)
    return str(name) if folder is None else distance_hash(folder)


def find_distance(name: str | Path) -> Path | None:
    """Folder of a learned distance, or ``None`` for a name.

    Raises:
        BadOptionError: if it is neither.
    """
    # A run of relcon has an encoder in model/, so that its distance is looked for first.
    for folder in (Path(name), Path(name) / "distance" / "model", Path(name) / "model"):
        if (folder / "config.json").is_file():
            return folder
    if str(name) in NAMES:
        return None
    raise BadOptionError(
        f"no distance {str(name)!r}", remedy=f"Give one of {', '.join(NAMES)}, or the folder of a trained distance"
    )
