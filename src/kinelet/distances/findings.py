"""What is found out about a distance, and what it means in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinelet.distances.explain import Explained, Floats
from kinelet.signal.spec import SignalSpec

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same candidates agree, each a mean over anchors.

    Attributes:
        spearman: Rank correlation.
        same_nearest: Share of anchors with the same nearest candidate.
        shared: Share of the five nearest that both have.
    """

    spearman: float
    same_nearest: float
    shared: float


@dataclass(frozen=True)
class SameLabel:
    """Whether windows of other people with the anchor's label are ranked first, each a mean over anchors.

    Attributes:
        anchors: Anchors with a label that some, not all, of the other people's labelled candidates share.
        chance: Share of such candidates: about what a random order scores.
        average_precision: Of the distance.
        precision: Share among the five nearest.
        rotated: Average precision with every candidate rotated at random; ``None`` without triples of axes.
        plain: Average precision of the plain gaps and of the Euclidean distance, for comparison.
    """

    anchors: int
    chance: float
    average_precision: float
    precision: float
    rotated: float | None
    plain: dict[str, float]


@dataclass(frozen=True, eq=False)
class DistanceReport:
    """What was found out about a distance on some windows.

    Attributes:
        distance: What was looked at, as it describes itself.
        anchors, candidates, people: How many windows and people.
        seed: Seed of draw and rotation.
        spec: Signal of the windows.
        mean: Mean distance over all pairs.
        self_ratio: Mean distance of a window from itself over ``mean``.
        offset_share: Share of ``mean`` that goes when differences in mean offset do not count; ``None`` where the
            distance cannot be taken without them.
        correlation: Rank correlation of the distance with the gap in ``mean offset``, ``energy`` and ``cadence``,
            mean over anchors.
        ranking: How much of the ranks these three explain.
        rotation: Rank correlation with the same candidates, each rotated at random; ``None`` without triples of axes.
        attention: Agreement with the other kind of attention on the same weights; ``None`` without attention.
        labels: Whether same labels are near; ``None`` without labels that two people share.
        anchor: Rows of the anchors ``(anchors,)``.
        candidate: Rows of the candidates ``(candidates,)``.
        values: Distances ``(anchors, candidates)``.
    """

    distance: Mapping[str, Any]
    anchors: int
    candidates: int
    people: int
    seed: int
    spec: SignalSpec
    mean: float
    self_ratio: float
    offset_share: float | None
    correlation: dict[str, float]
    ranking: Explained
    rotation: float | None
    attention: Agreement | None
    labels: SameLabel | None
    anchor: Ints
    candidate: Ints
    values: Floats

    @property
    def order(self) -> Ints:
        """Rows of the candidates of each anchor from near to far ``(anchors, candidates)``."""
        return self.candidate[np.argsort(self.values, axis=1, kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """Plain data: all but the rows and their distances."""
        plain = {k: v for k, v in self.__dict__.items() if k not in ("anchor", "candidate", "values")}
        parts = {k: None if plain[k] is None else asdict(plain[k]) for k in ("attention", "labels")}
        whole = {"distance": dict(self.distance), "spec": self.spec.model_dump(), "ranking": self.ranking._asdict()}
        return plain | parts | whole

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value and what it means in plain words, for a table."""
        told = [
            ("ranking explained by all three", f"{self.ranking.together:.0%}", _together(self.ranking.together)),
            *(self._correlation(name) for name in self.correlation),
            _offset(self.offset_share),
            ("distance from itself", f"{self.self_ratio:.2f} of the mean", _itself(self.self_ratio)),
            _rotation(self.rotation),
        ]
        if self.attention is not None:
            told.append(_attention(self.attention))
        return [*told, *([] if self.labels is None else _labels(self.labels))]

    def _correlation(self, name: str) -> tuple[str, str, str]:
        rho = self.correlation[name]
        return f"correlation with the gap in {name}", f"{rho:+.2f}", _strength(rho, MEANING[name])


MEANING = {
    "mean offset": "how the sensor is turned",
    "energy": "how strong the movement is",
    "cadence": "how fast it repeats",
}
NOTHING = "–"


def _together(share: float) -> str:
    if share > 0.8:
        return "offset, energy and cadence say nearly everything: the distance hardly knows more than they do"
    if share > 0.4:
        return "much of the order follows from offset, energy and cadence; the rest may be the shape of the movement"
    return "the order is mostly about something else: the shape of the movement, or noise"


def _strength(rho: float, about: str) -> str:
    if rho > 0.8:
        return f"goes almost entirely by {about}"
    if rho > 0.5:
        return f"goes largely by {about}"
    if rho > 0.2:
        return f"goes a little by {about}"
    return f"does not go by {about}" if rho > -0.2 else f"prefers what differs in {about}"


def _offset(share: float | None) -> tuple[str, str, str]:
    name = "share of mean offset"
    if share is None:
        return name, NOTHING, "this distance cannot be taken without it"
    if share < 0.01:
        return name, f"{share:.0%}", "mean offset adds nothing to the distance"
    much = "most" if share > 0.5 else "a good part" if share > 0.2 else "a small part"
    return name, f"{share:.0%}", f"{much} of the distance is a constant shift of the axes"


def _itself(ratio: float) -> str:
    if ratio < 0.05:
        return "a window is nearest to itself, as it should be"
    return "a window cannot be rebuilt fully even from itself" + (": distances say little" if ratio > 0.7 else "")


def _rotation(rho: float | None) -> tuple[str, str, str]:
    name = "same order when candidates are rotated"
    if rho is None:
        return name, NOTHING, "the channels are not sensors of three axes"
    if rho > 0.9:
        return name, f"{rho:+.2f}", "it does not matter how the sensor is worn"
    much = "partly matters" if rho > 0.5 else "decides"
    return name, f"{rho:+.2f}", f"how the sensor is worn {much}"


def _attention(found: Agreement) -> tuple[str, str, str]:
    value = f"{found.spearman:+.2f}, same nearest {found.same_nearest:.0%}"
    told = f"softmax and sparsemax share {found.shared:.0%} of the five nearest on these weights"
    return "agreement with the other attention", value, told


def _labels(found: SameLabel) -> list[tuple[str, str, str]]:
    gain = found.average_precision - found.chance
    best = max(found.plain, key=lambda name: found.plain[name])
    ahead = "ahead of" if found.average_precision > found.plain[best] else "not ahead of"
    against = f"{ahead} the best comparison without a network, {best} {found.plain[best]:.2f}"
    told = f"{'above' if gain > 0.02 else 'no better than'} chance {found.chance:.2f}; {against}"
    rows = [
        ("same label on other people, average precision", f"{found.average_precision:.2f}", told),
        ("same label among the five nearest", f"{found.precision:.0%}", f"{found.anchors} anchors with a label"),
    ]
    if found.rotated is not None:
        kept = found.rotated > found.average_precision - 0.05
        lost = "holds however the sensor is worn" if kept else "much of it came from how the sensor is worn"
        rows.append(("average precision, candidates rotated", f"{found.rotated:.2f}", lost))
    return rows
