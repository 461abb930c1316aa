"""What a tower is: a frozen function from items to vectors, with a name for the space that the vectors lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kinelet.errors import BadFileError, BadOptionError
from kinelet.progress import Progress, silent

FloatArray = NDArray[np.float32]
Items = Sequence[Any]

#: What text towers are asked in order to tell one from another.
PROBES = ("someone is jogging", "a person sits down on a chair", "opening a door")
PROBE_VALUES = 5
PROBE_TOLERANCE = 0.02
TINY = 1e-12


class Tower(Protocol):
    """A frozen function from items to vectors.

    Nothing of it is trained: it has no parameters that kinelet knows of, and its vectors are made once and kept.

    Attributes:
        name: What it is called in the registry and in model cards.
        dim: Width of its vectors.
        space_id: Vectors of towers with the same ``space_id`` can be compared, and share one alignment head.
        preprocessing: What happens to an item before it is encoded, in words; kept with the vectors.
        probes: A few items that tell whether a tower is the one that it says it is; empty where there are none.
    """

    @property
    def name(self) -> str:
        """Name in the registry and in model cards."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def space_id(self) -> str:
        """Name of the space of the vectors."""

    @property
    def preprocessing(self) -> str:
        """What happens to an item first."""

    @property
    def probes(self) -> Items:
        """Items that tell the tower from another."""

    def __call__(self, items: Items) -> FloatArray:
        """Vectors ``(items, dim)`` float32; kinelet scales them to length 1."""


@dataclass(frozen=True)
class CallableTower:
    """A tower out of any function of yours.

    Attributes:
        function: From a sequence of N items to numbers ``(N, dim)``.
        name: What the tower is called in model cards.
        dim: Width of the vectors.
        space_id: Name of their space; give two towers the same one only if their vectors can be compared.
        preprocessing: What ``function`` does to an item first, in words.
        probes: Items to recognise the tower by; sentences by default, ``()`` for a tower that takes no text.
    """

    function: Callable[[Items], Any]
    name: str
    dim: int
    space_id: str
    preprocessing: str = ""
    probes: Items = PROBES

    def __call__(self, items: Items) -> FloatArray:
        """Vectors ``(items, dim)``."""
        return np.asarray(self.function(items), dtype=np.float32)


def normalised(vectors: NDArray[Any], names: Sequence[object], where: str = "") -> FloatArray:
    """Vectors ``(item, dim)`` scaled to length 1, float32.

    Args:
        vectors: What a tower made, or what was read from a file.
        names: What each row is called in messages.
        where: What the rows come from.

    Raises:
        BadFileError: if a row is zero or not finite, naming the first such item.
    """
    wide = np.asarray(vectors, dtype=np.float64)
    if wide.ndim != 2 or len(wide) != len(names):
        raise BadFileError(f"{len(names)} items and vectors of shape {wide.shape}", where=where, remedy="One row each")
    length = np.sqrt((wide**2).sum(1, keepdims=True))
    broken = np.flatnonzero(~(np.isfinite(length[:, 0]) & (length[:, 0] > TINY)))
    if len(broken):
        kind = "a zero vector" if np.isfinite(length[broken[0], 0]) else "a vector that is not finite"
        more = f" ({len(broken)} such items)" if len(broken) > 1 else ""
        raise BadFileError(
            f"item {names[int(broken[0])]!r} has {kind}{more}", where=where, remedy="Leave the item out, or mend it"
        )
    return np.asarray(wide / length, dtype=np.float32)


def embed_items(
    tower: Tower,
    items: Items,
    *,
    names: Sequence[object] | None = None,
    batch_size: int = 64,
    progress: Progress = silent,
) -> FloatArray:
    """Vectors of items ``(items, dim)``, length 1, float32.

    Args:
        tower: What makes them.
        items: What it takes.
        names: What the items are called in messages; the items themselves if not given.
        batch_size: Items that the tower gets at once.
        progress: Told how many are done.

    Raises:
        BadFileError: if a vector is zero or not finite, naming the item.
        BadOptionError: if the tower returns other shapes than it promised.
    """
    names = items if names is None else names
    out = np.empty((len(items), tower.dim), dtype=np.float32)
    for start in range(0, len(items), batch_size):
        part = items[start : start + batch_size]
        vectors = np.asarray(tower(part))
        if vectors.shape != (len(part), tower.dim):
            raise BadOptionError(
                f"returned {vectors.shape} for {len(part)} items, expected {(len(part), tower.dim)}",
                where=f"tower {tower.name!r}",
            )
        out[start : start + len(part)] = normalised(vectors, names[start : start + len(part)], f"tower {tower.name!r}")
        progress(start + len(part))
    return out


def probe_digest(tower: Tower) -> str:
    """A few coordinates of what the tower makes of its probes; empty for a tower without any.

    Numbers, not a hash of them: another processor may change the last digits, and :func:`same_probe` lets it.
    """
    if not len(tower.probes):
        return ""
    values = embed_items(tower, tower.probes)[:, :PROBE_VALUES].ravel()
    return " ".join(f"{v:.3f}" for v in values.tolist())


def same_probe(a: str, b: str) -> bool:
    """Whether two of :func:`probe_digest` are of one tower; an empty one, of a tower without probes, fits every other.

    Those that are not numbers, as somebody may have given with vectors made elsewhere, are the same or not.
    """
    if not a or not b or a == b:
        return True
    try:
        one, other = (np.array(text.split(), dtype=np.float64) for text in (a, b))
    except ValueError:
        return False
    return one.shape == other.shape and float(np.abs(one - other).max(initial=0.0)) <= PROBE_TOLERANCE


def check_probe(tower: Tower, probe: str) -> None:
    """Raise unless the tower is the one whose :func:`probe_digest` was ``probe``; an empty one fits every tower.

    Raises:
        BadOptionError: if its vectors are others.
    """
    if probe and not (len(tower.probes) and same_probe(probe_digest(tower), probe)):
        raise BadOptionError(
            "makes other vectors of its probe items than the tower that the encoder was aligned with",
            where=f"tower {tower.name!r}",
            remedy="Use the same version of the tower as in pretraining",
        )
