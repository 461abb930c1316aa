"""Walking bouts of a recording with their targets, from whatever its reference system annotated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kinelet.gait.events import UNITS, Swing, bout_targets, step_targets
from kinelet.signal.recording import Annotation, Recording

WALKING = "walking"
_SLACK_S = 1e-6  # annotations of one bout carry the same two times, up to rounding


@dataclass(frozen=True)
class Bout:
    """A stretch of walking.

    Attributes:
        recording: Name of the recording.
        subject: Who walked.
        start_s, stop_s: Where, seconds on the recording's clock.
        targets: Name to value from the reference system.
        person: Age (years), height (cm) and weight (kg) where the recording says them.
    """

    recording: str
    subject: str
    start_s: float
    stop_s: float
    targets: Mapping[str, float]
    person: Mapping[str, float]

    @property
    def duration_s(self) -> float:
        """Length of the bout."""
        return self.stop_s - self.start_s


def walking_bouts(rec: Recording, *, system: str = "") -> tuple[Bout, ...]:
    """Walking bouts of a recording, in time order.

    Three kinds of reference are understood, the first that is there counts:

    - track ``swing`` (labels ``left``, ``right``): every ``walking`` interval of the track ``activity`` is a bout with
      the numbers of :func:`kinelet.gait.events.bout_targets`;
    - track ``step``: the recording is one bout from its first step to its last, with
      :func:`kinelet.gait.events.step_targets`;
    - values: every ``walking`` interval of ``activity`` is a bout, and each value on exactly that interval a target
      under its track's name (speed, stride length, cadence from a laboratory).

    Args:
        rec: Recording with annotations.
        system: Reference system: end of the tracks' names, for example ``_stereophoto``, where there are several.
    """
    tracks: dict[str, list[Annotation]] = {}
    for annotation in sorted(rec.annotations, key=lambda a: a.start_s):
        tracks.setdefault(annotation.track, []).append(annotation)
    walks = [a for a in tracks.get(f"activity{system}", []) if a.label == WALKING]
    if "swing" in tracks:
        found = _from_swings(walks, tracks["swing"])
    elif "step" in tracks:
        times = [a.start_s for a in tracks["step"]]
        found = iter([((times[0], times[-1]), step_targets(times))] if len(times) > 1 else [])
    else:
        found = _from_values(walks, tracks, system)
    about = _person(rec)
    return tuple(Bout(rec.name, rec.subject, a, b, targets, about) for (a, b), targets in found)


Found = Iterator[tuple[tuple[float, float], dict[str, float]]]


def _from_swings(walks: list[Annotation], swings: list[Annotation]) -> Found:
    feet = {foot: [Swing(a.start_s, a.stop_s) for a in swings if a.label == foot] for foot in ("left", "right")}
    for walk in walks:
        yield (walk.start_s, walk.stop_s), bout_targets(feet["left"], feet["right"], walk.start_s, walk.stop_s)


def _from_values(walks: list[Annotation], tracks: Mapping[str, list[Annotation]], system: str) -> Found:
    for walk in walks:
        values = {
            track.removesuffix(system): a.value
            for track, annotations in tracks.items()
            if track.endswith(system) and track.removesuffix(system) in UNITS
            for a in annotations
            if a.value is not None and _same(a, walk)
        }
        yield (walk.start_s, walk.stop_s), values


def _same(a: Annotation, b: Annotation) -> bool:
    return abs(a.start_s - b.start_s) < _SLACK_S and abs(a.stop_s - b.stop_s) < _SLACK_S


def _person(rec: Recording) -> dict[str, float]:
    fields = {name: rec.meta.get(name.capitalize(), rec.meta.get(name)) for name in ("age", "height", "weight")}
    return {name: float(v) for name, v in fields.items() if isinstance(v, int | float)}
