"""What a protocol judges on: windows with a label or a value each, and who wore the sensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec
from kinelet.signal.units import quantity, unit_factor

if TYPE_CHECKING:
    from kinelet.corpus.windows import Windows

FloatArray = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Kind = Literal["classes", "values"]


@dataclass(frozen=True)
class Task:
    """Windows, their targets, and the people they come from, as plain arrays.

    Attributes:
        x: Windows ``(n, channel, time)`` in ``spec``, or vectors ``(n, dim)`` once a protocol has embedded them.
        y: Targets ``(n,)``: int64 codes into ``classes``, or float64 values where ``classes`` is empty.
        subject: int64 codes ``(n,)`` into ``subjects``.
        subjects: Names of the people.
        spec: The signal of the windows.
        classes: Names of the classes; empty for a regression task.
        recording: int64 codes ``(n,)`` of the recording that each window is from.
        start_s: Where each window starts in its recording, seconds, float64 ``(n,)``; with
            ``recording`` it tells which windows overlap. ``None`` where they do not.
        origins: Names that the data go by; they qualify the subjects' names.
        identities: Every name that each of ``subjects`` goes by, where a corpus knows them; see
            :meth:`kinelet.corpus.corpus.Corpus.identities`.
        name: What to call the task in reports.
    """

    x: FloatArray
    y: npt.NDArray[Any]
    subject: Codes
    subjects: tuple[str, ...]
    spec: SignalSpec
    classes: tuple[str, ...] = ()
    recording: Codes | None = None
    origins: tuple[str, ...] = ()
    identities: tuple[frozenset[str], ...] = ()
    name: str = "task"
    start_s: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", np.asarray(self.x, dtype=np.float32))
        object.__setattr__(self, "y", np.asarray(self.y, dtype=np.int64 if self.classes else np.float64))
        object.__setattr__(self, "subject", np.asarray(self.subject, dtype=np.int64))
        if self.recording is not None:
            object.__setattr__(self, "recording", np.asarray(self.recording, dtype=np.int64))
        if self.start_s is not None:
            object.__setattr__(self, "start_s", np.asarray(self.start_s, dtype=np.float64))
        self._check()

    def _check(self) -> None:
        where = f"task {self.name!r}"
        lengths = {"x": len(self.x), "y": len(self.y), "subject": len(self.subject)}
        if len(set(lengths.values())) != 1:
            raise BadOptionError(f"lengths differ: {lengths}", where=where)
        if len(set(self.subjects)) != len(self.subjects):
            raise BadOptionError("subject names repeat", where=where, remedy="Give every person one name")
        if self.identities and len(self.identities) != len(self.subjects):
            raise BadOptionError(f"{len(self.subjects)} people but {len(self.identities)} identities", where=where)
        if len(self.subject) and not 0 <= self.subject.min() <= self.subject.max() < len(self.subjects):
            raise BadOptionError(f"subject codes leave 0..{len(self.subjects) - 1}", where=where)
        if self.classes and len(self.y) and not 0 <= self.y.min() <= self.y.max() < len(self.classes):
            raise BadOptionError(
                f"label codes leave 0..{len(self.classes) - 1}", where=where, remedy="Drop unlabelled windows first"
            )
        if not np.isfinite(self.y).all():
            raise BadOptionError("some target values are not finite", where=where, remedy="Drop those windows first")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def kind(self) -> Kind:
        """``classes`` or ``values``."""
        return "classes" if self.classes else "values"

    @property
    def people(self) -> tuple[str, ...]:
        """Names of the people who have at least one window here."""
        return tuple(self.subjects[i] for i in np.unique(self.subject))

    def rows(self, subjects: Iterable[str]) -> Codes:
        """Indices of all windows of some people.

        Raises:
            BadOptionError: if a name is unknown.
        """
        code = {name: i for i, name in enumerate(self.subjects)}
        names = tuple(subjects)
        unknown = [s for s in names if s not in code]
        if unknown:
            raise BadOptionError(
                f"unknown people {unknown[:5]}",
                where=f"task {self.name!r}",
                remedy=f"It has {len(self.subjects)} people: {', '.join(self.subjects[:8])} …",
            )
        wanted = np.zeros(len(self.subjects), dtype=bool)
        wanted[[code[s] for s in names]] = True
        return np.flatnonzero(wanted[self.subject])

    def take(self, index: npt.ArrayLike) -> Task:
        """Return the task with some windows only; codes keep their meaning."""
        i = np.asarray(index)
        recording = None if self.recording is None else self.recording[i]
        start_s = None if self.start_s is None else self.start_s[i]
        return replace(self, x=self.x[i], y=self.y[i], subject=self.subject[i], recording=recording, start_s=start_s)

    def with_x(self, x: FloatArray) -> Task:
        """Return the task with the windows replaced, for example by their embeddings ``(n, dim)``."""
        return replace(self, x=x)

    def in_units_of(self, spec: SignalSpec) -> Task:
        """Return the task with its windows converted to the units of ``spec``, channel by channel.

        What cannot be converted, and whatever else differs, is left as it is for :meth:`SignalSpec.require` to name.
        """
        factors = unit_factors(self.spec, spec)
        if factors is None or self.spec.units == spec.units:
            return self
        return replace(self, x=self.x * factors[:, None], spec=self.spec.replace(units=spec.units))

    @classmethod
    def from_windows(cls, windows: Windows, *, target: Kind = "classes", name: str = "task") -> Task:
        """Gather the labelled (or valued) windows of a corpus.

        Args:
            windows: Windows of a corpus; those without a target are left out.
            target: Judge the class labels or the target values.
            name: What to call the task in reports.

        Raises:
            BadOptionError: if no window has a target.
        """
        classes = tuple(windows.classes) if target == "classes" else ()
        y: npt.NDArray[Any] = windows.label if classes else windows.value
        keep = np.flatnonzero(y >= 0) if classes else np.flatnonzero(np.isfinite(y))
        if len(keep) == 0:
            raise BadOptionError(
                f"no window has {'a label' if target == 'classes' else 'a value'}",
                where=f"task {name!r}",
                remedy="Choose another track, a lower purity or shorter windows",
            )
        return cls(
            x=windows.gather(keep.astype(np.int64)),
            y=y[keep],
            subject=windows.subject[keep].astype(np.int64),
            subjects=tuple(windows.subjects),
            spec=windows.spec,
            classes=classes,
            recording=windows.recording[keep].astype(np.int64),
            start_s=None if windows.placement == "stretch" else windows.time_s[keep],
            identities=tuple(frozenset(windows.corpus.identities([s])) for s in windows.subjects),
            name=name,
        )


def unit_factors(given: SignalSpec, wanted: SignalSpec) -> FloatArray | None:
    """What to multiply each channel with to get from one signal's units to another's, ``(channel,)``.

    ``None`` where channels differ or a unit cannot be converted.
    """
    pairs = list(zip(given.units, wanted.units, strict=False))
    known = all(a == b or (quantity(a) is not None and quantity(a) == quantity(b)) for a, b in pairs)
    if given.channels != wanted.channels or not known:
        return None
    return np.array([1.0 if a == b else unit_factor(a, b) for a, b in pairs], dtype=np.float32)
