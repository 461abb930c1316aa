"""What a distance goes by: every number against loops over anchors and candidates written from its definition."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinelet.distances.base import MotifDistance
from kinelet.distances.config import MotifConfig
from kinelet.distances.diagnose import agreement, diagnose, draw, in_turn, passes
from kinelet.distances.explain import average_precision, cadence, explained, gaps, rank_r2, spearman, traits
from kinelet.distances.findings import DistanceReport
from kinelet.distances.network import MotifNetwork
from kinelet.distances.variants import motion_only, options_of, other_attention
from kinelet.errors import BadOptionError
from kinelet.functional import motif_distance
from kinelet.functional.augment_axes import rotate
from kinelet.signal.spec import imu_spec

RATE = 50.0
SPEC = imu_spec(RATE, window_s=2.56)
T = 128


class Learned:
    """A distance of no known kind: a weighted mix of mean offset and squared difference, and not symmetric."""

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        a, c = x[anchor], x[candidate]
        shift = (a.mean(dim=2) - c.mean(dim=2)).square().sum(dim=1)
        return 0.1 * (a - 0.5 * c).square().sum(dim=(1, 2)) + 40 * shift

    def describe(self) -> dict[str, Any]:
        return {"name": "mix"}


class Offsets(Learned):
    """The gap between means and nothing else."""

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        return (x[anchor].mean(dim=2) - x[candidate].mean(dim=2)).norm(dim=1)


class Strengths(Learned):
    """The gap between energies: a rotation changes nothing."""

    def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
        sd = (x - x.mean(dim=2, keepdim=True)).square().mean(dim=(1, 2)).sqrt()
        return (sd[anchor] - sd[candidate]).abs()


def movements(n: int = 20, people: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows with gravity somewhere, a rhythm and noise; codes of people; labels by rhythm."""
    rng = np.random.default_rng(seed)
    t = np.arange(T) / RATE
    x = np.empty((n, 3, T), np.float32)
    label = np.arange(n) % 2
    for i in range(n):
        down = rng.normal(size=3)
        rhythm = (1.5 if label[i] else 2.6) + rng.uniform(-0.1, 0.1)
        swing = rng.uniform(0.1, 0.5) * np.sin(2 * math.pi * rhythm * t + rng.uniform(0, 6))
        x[i] = (down / np.linalg.norm(down))[:, None] * (1 + swing) + rng.normal(0, 0.05, (3, T))
    return x, np.arange(n) // (n // people), label


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value, ties at their mean."""
    return [sum(v < w for v in values) + (sum(v == w for v in values) - 1) / 2 for w in values]


def correlation(a: Sequence[float], b: Sequence[float]) -> float:
    u, v = ranks(a), ranks(b)
    mu, mv = sum(u) / len(u), sum(v) / len(v)
    top = sum((p - mu) * (q - mv) for p, q in zip(u, v, strict=True))
    return top / math.sqrt(sum((p - mu) ** 2 for p in u) * sum((q - mv) ** 2 for q in v))


def r2(y: Sequence[float], columns: Sequence[Sequence[float]]) -> float:
    """R² from the normal equations, with an intercept."""
    X = np.array([[1.0, *(ranks(c)[i] for c in columns)] for i in range(len(y))])
    target = np.array(ranks(y))
    left = target - X @ np.linalg.solve(X.T @ X, X.T @ target)
    return float(1 - (left**2).sum() / ((target - target.mean()) ** 2).sum())


def slow_cadence(window: np.ndarray) -> float:
    """Best frequency on the grid of an eighth of a period, by a direct sum at each."""
    norm = np.sqrt((window.astype(float) ** 2).sum(axis=0))
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * (t + 1) / (T + 1)) for t in range(T)]
    values = [(v - norm.mean()) * h for v, h in zip(norm, hann, strict=True)]
    best, found = -1.0, 0.0
    for k in range(8 * T // 2 + 1):
        hz = k * RATE / (8 * T)
        if max(0.5, RATE / T) <= hz <= 5.0:
            turn = [2 * math.pi * hz * t / RATE for t in range(T)]
            power = sum(v * math.cos(w) for v, w in zip(values, turn, strict=True)) ** 2
            power += sum(v * math.sin(w) for v, w in zip(values, turn, strict=True)) ** 2
            if power > best:
                best, found = power, hz
    return found


def precision(order: Sequence[int], relevant: set[int]) -> float:
    hits, total = 0, 0.0
    for place, i in enumerate(order, start=1):
        if i in relevant:
            hits += 1
            total += hits / place
    return total / len(relevant)


class ByHand:
    """The report of 20 windows, pair by pair."""

    def __init__(self, seed: int = 3) -> None:
        x, person, label = movements()
        self.report = diagnose(x, person, Learned(), spec=SPEC, label=label, anchors=6, candidates=14, seed=seed)
        self.x, self.person, self.label = x, person, label
        self.a, self.c = self.report.anchor.tolist(), self.report.candidate.tolist()
        self.offset = [[math.dist(w[0], w[1]) for w in self._means(i)] for i in self.a]
        strength = [math.sqrt(((w - w.mean(axis=1, keepdims=True)) ** 2).mean()) for w in x.astype(float)]
        self.energy = [[abs(strength[i] - strength[j]) for j in self.c] for i in self.a]
        rhythm = [slow_cadence(w) for w in x]
        self.cadence = [[abs(rhythm[i] - rhythm[j]) for j in self.c] for i in self.a]
        self.d = [[self.distance(x[i], x[j]) for j in self.c] for i in self.a]
        self.turned = x.copy()
        rows = np.array(self.c)
        self.turned[rows] = rotate(torch.from_numpy(x[rows]), torch.Generator().manual_seed(seed)).numpy()

    def _means(self, i: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(self.x[i].mean(axis=1), self.x[j].mean(axis=1)) for j in self.c]

    @staticmethod
    def distance(a: np.ndarray, c: np.ndarray) -> float:
        a, c = a.astype(float), c.astype(float)
        shift = ((a.mean(axis=1) - c.mean(axis=1)) ** 2).sum()
        return float(0.1 * ((a - 0.5 * c) ** 2).sum() + 40 * shift)

    def mean_correlation(self, gap: list[list[float]]) -> float:
        return float(np.mean([correlation(d, g) for d, g in zip(self.d, gap, strict=True)]))

    def average_precision(self, table: list[list[float]]) -> float:
        found = []
        for i, row in zip(self.a, table, strict=True):
            others = [j for j in self.c if self.person[j] != self.person[i]]
            order = sorted(others, key=lambda j: row[self.c.index(j)])
            found.append(precision(order, {j for j in others if self.label[j] == self.label[i]}))
        return float(np.mean(found))


@pytest.fixture(scope="module")
def by_hand() -> ByHand:
    return ByHand()


def test_all_twenty_windows_are_in_it_once(by_hand: ByHand) -> None:
    assert sorted(by_hand.a + by_hand.c) == list(range(20))


def test_distances_are_those_of_each_pair(by_hand: ByHand) -> None:
    np.testing.assert_allclose(by_hand.report.values, by_hand.d, rtol=1e-5)


def test_the_order_is_from_near_to_far(by_hand: ByHand) -> None:
    hand = [sorted(by_hand.c, key=lambda j, row=row: row[by_hand.c.index(j)]) for row in by_hand.d]
    assert by_hand.report.order.tolist() == hand


@pytest.mark.parametrize(("name", "gap"), [("mean offset", "offset"), ("energy", "energy"), ("cadence", "cadence")])
def test_correlations_with_gaps(by_hand: ByHand, name: str, gap: str) -> None:
    expected = by_hand.mean_correlation(getattr(by_hand, gap))
    assert by_hand.report.correlation[name] == pytest.approx(expected, abs=1e-6)


def test_the_share_that_all_three_explain(by_hand: ByHand) -> None:
    tables = zip(by_hand.d, by_hand.offset, by_hand.energy, by_hand.cadence, strict=True)
    expected = np.mean([r2(d, gaps) for d, *gaps in tables])
    assert by_hand.report.ranking.together == pytest.approx(expected, abs=1e-6)


def test_the_share_that_one_explains_by_itself_and_alone(by_hand: ByHand) -> None:
    tables = list(zip(by_hand.d, by_hand.offset, by_hand.energy, by_hand.cadence, strict=True))
    alone = np.mean([correlation(d, o) ** 2 for d, o, _, _ in tables])
    only = np.mean([r2(d, [o, e, c]) - r2(d, [e, c]) for d, o, e, c in tables])
    ranking = by_hand.report.ranking
    assert (ranking.alone["mean offset"], ranking.only["mean offset"]) == pytest.approx((alone, only), abs=1e-6)


def test_distance_from_itself(by_hand: ByHand) -> None:
    own = np.mean([by_hand.distance(by_hand.x[i], by_hand.x[i]) for i in by_hand.a])
    assert by_hand.report.self_ratio == pytest.approx(own / np.mean(by_hand.d), rel=1e-5)


def test_order_of_rotated_candidates(by_hand: ByHand) -> None:
    rows = [[by_hand.distance(by_hand.x[i], by_hand.turned[j]) for j in by_hand.c] for i in by_hand.a]
    expected = np.mean([correlation(d, r) for d, r in zip(by_hand.d, rows, strict=True)])
    assert by_hand.report.rotation == pytest.approx(expected, abs=1e-6)


def test_same_label_on_other_people(by_hand: ByHand) -> None:
    assert by_hand.report.labels is not None
    assert by_hand.report.labels.average_precision == pytest.approx(by_hand.average_precision(by_hand.d), abs=1e-9)


def test_same_label_by_plain_gaps_and_by_euclid(by_hand: ByHand) -> None:
    assert by_hand.report.labels is not None
    euclid = [[float(np.linalg.norm(by_hand.x[i] - by_hand.x[j])) for j in by_hand.c] for i in by_hand.a]
    tables = {"mean offset": by_hand.offset, "energy": by_hand.energy, "cadence": by_hand.cadence}
    expected = {name: by_hand.average_precision(t) for name, t in (tables | {"Euclidean distance": euclid}).items()}
    assert by_hand.report.labels.plain == pytest.approx(expected, abs=1e-9)


def test_same_label_of_rotated_candidates_and_chance(by_hand: ByHand) -> None:
    rows = [[by_hand.distance(by_hand.x[i], by_hand.turned[j]) for j in by_hand.c] for i in by_hand.a]
    others = [[j for j in by_hand.c if by_hand.person[j] != by_hand.person[i]] for i in by_hand.a]
    share = [np.mean([by_hand.label[j] == by_hand.label[i] for j in o]) for i, o in zip(by_hand.a, others, strict=True)]
    found = by_hand.report.labels
    assert found is not None
    assert (found.rotated, found.chance) == pytest.approx((by_hand.average_precision(rows), np.mean(share)), abs=1e-9)


def test_same_label_among_the_five_nearest(by_hand: ByHand) -> None:
    found = []
    for i, row in zip(by_hand.a, by_hand.d, strict=True):
        others = [j for j in by_hand.c if by_hand.person[j] != by_hand.person[i]]
        nearest = sorted(others, key=lambda j: row[by_hand.c.index(j)])[:5]
        found.append(np.mean([by_hand.label[j] == by_hand.label[i] for j in nearest]))
    assert by_hand.report.labels is not None
    assert by_hand.report.labels.precision == pytest.approx(np.mean(found), abs=1e-9)


def report(distance: Any = None, n: int = 60, **options: Any) -> DistanceReport:
    x, person, label = movements(n)
    given = {"spec": SPEC, "label": label, "anchors": 10, "candidates": 40} | options
    return diagnose(given.pop("x", x), given.pop("person", person), distance or Learned(), **given)


def test_a_distance_that_is_the_offset_is_found_out() -> None:
    found = report(Offsets())
    assert (found.correlation["mean offset"], found.ranking.together) == pytest.approx((1.0, 1.0))


def test_a_distance_that_is_the_energy_is_found_out_and_survives_rotation() -> None:
    found = report(Strengths())
    assert (found.correlation["energy"], found.rotation) == pytest.approx((1.0, 1.0), abs=1e-3)


def test_a_distance_that_is_the_offset_does_not_survive_rotation() -> None:
    rotation = report(Offsets()).rotation
    assert rotation is not None
    assert abs(rotation) < 0.3


def test_noise_is_explained_by_nothing() -> None:
    class Noise(Learned):
        def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
            return torch.rand(len(anchor), generator=torch.Generator().manual_seed(len(anchor)))

    assert report(Noise(), n=200, candidates=180).ranking.together < 0.1


def test_a_distance_of_unknown_kind_has_no_offset_share_and_no_attention() -> None:
    found = report()
    assert (found.offset_share, found.attention) == (None, None)


def test_without_labels_there_is_nothing_to_say_about_them() -> None:
    assert report(label=None).labels is None


def test_one_person_alone_has_no_others() -> None:
    assert report(person=np.zeros(60, int)).labels is None


def test_one_label_alone_decides_nothing() -> None:
    assert report(label=np.zeros(60, int)).labels is None


def test_unlabelled_windows_do_not_count() -> None:
    label = movements(60)[2]
    some = np.where(np.arange(60) % 3 == 0, -1, label)
    found = report(label=some)
    assert found.labels is not None
    assert found.labels.anchors == int((some[found.anchor] >= 0).sum())


def test_two_channels_cannot_be_rotated() -> None:
    spec = SPEC.replace(channels=("u", "v"), units=("g", "g"))
    assert report(x=movements(60)[0][:, :2], spec=spec).rotation is None


def test_the_gyroscope_is_not_part_of_the_gaps() -> None:
    x = movements(60)[0]
    wide = np.concatenate([x, 100 * np.random.default_rng(1).normal(size=x.shape).astype(np.float32)], axis=1)

    class Accelerometer(Offsets):
        def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
            return super().pairs(x[:, :3], anchor, candidate)

    found = report(Accelerometer(), x=wide, spec=imu_spec(RATE, gyro=True, window_s=2.56))
    assert found.correlation["mean offset"] == pytest.approx(1.0)


def test_equal_distances_explain_nothing_and_break_nothing() -> None:
    class Same(Learned):
        def pairs(self, x: Tensor, anchor: Tensor, candidate: Tensor) -> Tensor:
            return torch.zeros(len(anchor))

    found = report(Same())
    assert (found.ranking.together, found.correlation["energy"], found.self_ratio) == (0.0, 0.0, 0.0)


def test_the_windows_are_left_as_they_are() -> None:
    x = movements(60)[0]
    before = x.copy()
    report(x=x)
    assert np.array_equal(x, before)


def test_the_same_seed_gives_the_same_report() -> None:
    assert json.dumps(report(seed=5).to_dict()) == json.dumps(report(seed=5).to_dict())


def test_another_seed_draws_other_anchors() -> None:
    assert report(seed=5).anchor.tolist() != report(seed=6).anchor.tolist()


def test_progress_ends_at_the_work_that_was_announced() -> None:
    told: list[int] = []
    report(progress=lambda done, note="": told.append(done))
    assert told == sorted(told)
    assert told[-1] == 10 * 40 * passes(Learned(), SPEC)


def test_every_row_has_words() -> None:
    assert all(name and value and len(reading) > 10 for name, value, reading in report().rows())


def test_the_readings_follow_the_numbers() -> None:
    told = {name: reading for name, _, reading in report(Offsets()).rows()}
    assert told["correlation with the gap in mean offset"] == "goes almost entirely by how the sensor is turned"
    assert told["same order when candidates are rotated"] == "how the sensor is worn decides"


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_windows_are_refused(n: int) -> None:
    with pytest.raises(BadOptionError, match=f"{n} windows leave"):
        diagnose(np.zeros((n, 3, T), np.float32), np.zeros(n, int), Learned(), spec=SPEC)


@given(
    st.lists(st.integers(0, 4), min_size=12, max_size=60), st.integers(1, 10), st.integers(10, 30), st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_anchors_and_candidates_never_overlap(person: list[int], anchors: int, candidates: int, seed: int) -> None:
    try:
        a, c = draw(np.array(person), anchors, candidates, seed)
    except BadOptionError:
        assert len(person) * candidates / (anchors + candidates) < 5
        return
    both = a.tolist() + c.tolist()
    assert len(set(both)) == len(both) <= anchors + candidates
    assert set(both) <= set(range(len(person)))


def test_people_count_alike_however_many_windows_they_have() -> None:
    person = np.repeat([0, 1, 2], [1000, 30, 10])
    first = in_turn(person, 0)[:30]
    assert np.bincount(person[first]).tolist() == [10, 10, 10]


def test_windows_of_a_person_come_in_random_order() -> None:
    order = in_turn(np.zeros(50, int), 0).tolist()
    assert order != sorted(order)
    assert sorted(order) == list(range(50))


@pytest.mark.parametrize("hz", [0.9, 1.7, 2.5, 4.0])
def test_the_cadence_of_a_sine_is_its_frequency(hz: float) -> None:
    norm = 1 + 0.3 * np.sin(2 * math.pi * hz * np.arange(256) / 100.0)
    assert cadence(norm[None], 100.0)[0] == pytest.approx(hz, abs=0.06)


def test_a_still_window_has_no_cadence() -> None:
    x = np.zeros((1, 3, T), np.float32)
    x[0, 2] = 1 + 0.005 * np.sin(np.arange(T))
    assert traits(x, RATE).cadence.tolist() == [0.0]


def test_a_window_too_short_for_any_cadence_has_none() -> None:
    assert cadence(np.random.default_rng(0).normal(size=(2, 8)), 50.0).tolist() == [0.0, 0.0]


def test_energy_does_not_change_when_a_window_is_shifted() -> None:
    x = movements(4)[0]
    np.testing.assert_allclose(traits(x + 3, RATE).energy, traits(x, RATE).energy, rtol=1e-4)


def test_gaps_are_zero_between_a_window_and_itself() -> None:
    rows = np.arange(4)
    found = gaps(traits(movements(4)[0], RATE), rows, rows)
    assert all(np.diag(g).tolist() == [0.0] * 4 for g in found.values())


@given(st.lists(st.integers(0, 5), min_size=3, max_size=12), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_rank_correlation_equals_the_one_from_counting(values: list[int], seed: int) -> None:
    other = np.random.default_rng(seed).integers(0, 5, len(values)).tolist()
    if len(set(values)) > 1 and len(set(other)) > 1:
        found = spearman(np.array([values], float), np.array([other], float))[0]
        assert found == pytest.approx(correlation(values, other), abs=1e-12)


def test_a_constant_row_correlates_with_nothing() -> None:
    assert spearman(np.zeros((1, 5)), np.arange(5.0)[None]).tolist() == [0.0]


def test_r2_does_not_depend_on_the_scale_of_a_gap(rng: np.random.Generator) -> None:
    d, gap = rng.random((3, 20)), rng.random((3, 20))
    np.testing.assert_allclose(rank_r2(d, [gap]), rank_r2(d, [np.exp(9 * gap)]))


def test_a_gap_that_repeats_another_adds_nothing(rng: np.random.Generator) -> None:
    d, gap = rng.random((3, 20)), rng.random((3, 20))
    found = explained(d, {"a": gap, "b": 2 * gap})
    assert found.only == pytest.approx({"a": 0.0, "b": 0.0}, abs=1e-12)


def test_average_precision_by_hand() -> None:
    relevant = np.array([True, False, True, False])
    assert average_precision(np.array([0.1, 0.2, 0.3, 0.4]), relevant) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_of_the_best_order_is_one() -> None:
    assert average_precision(np.array([3.0, 1.0, 2.0]), np.array([False, True, True])) == 1.0


def test_rankings_agree_with_themselves(rng: np.random.Generator) -> None:
    d = rng.random((4, 12))
    found = agreement(d, d)
    assert (found.spearman, found.same_nearest, found.shared) == pytest.approx((1.0, 1.0, 1.0))


def test_a_reversed_ranking_agrees_in_nothing(rng: np.random.Generator) -> None:
    d = rng.random((4, 12))
    found = agreement(d, -d)
    assert (found.spearman, found.same_nearest, found.shared) == pytest.approx((-1.0, 0.0, 0.0))


def motif(**options: Any) -> MotifDistance:
    torch.manual_seed(0)
    return MotifDistance(MotifNetwork(SPEC, MotifConfig(width=8, kernel=5, blocks=1)), "0" * 64, **options)


@pytest.mark.parametrize("used", ["softmax", "sparsemax"])
def test_attention_is_compared_with_the_other_kind_on_the_same_weights(used: str) -> None:
    x, person, _ = movements()
    distance = motif(attention=used)
    found = diagnose(x, person, distance, spec=SPEC, anchors=6, candidates=14)
    a, c = torch.from_numpy(x[found.anchor]), torch.from_numpy(x[found.candidate])
    soft, sparse = (motif_distance(distance.net, a, c, attention=k).tolist() for k in ("softmax", "sparsemax"))
    expected = np.mean([correlation(p, q) for p, q in zip(soft, sparse, strict=True)])
    first = np.mean([p.index(min(p)) == q.index(min(q)) for p, q in zip(soft, sparse, strict=True)])
    assert found.attention is not None
    assert (found.attention.spearman, found.attention.same_nearest) == pytest.approx((expected, first), abs=1e-6)


def test_every_number_of_a_motif_distance_equals_one_from_its_rebuilds() -> None:
    """Offset share, distance from itself and correlations, window by window from the network's output."""
    x, person, _ = movements()
    distance = motif()
    found = diagnose(x, person, distance, spec=SPEC, anchors=6, candidates=14)

    def error(i: int, j: int) -> np.ndarray:
        with torch.no_grad():
            return (distance.net(*(torch.from_numpy(x[k : k + 1]) for k in (i, j)))[0].numpy() - x[i]).astype(float)

    pairs = [[error(i, j) for j in found.candidate] for i in found.anchor]
    d = [[float((e**2).sum()) for e in row] for row in pairs]
    offset = sum(float(T * (e.mean(axis=1) ** 2).sum()) for row in pairs for e in row)
    own = np.mean([(error(i, i) ** 2).sum() for i in found.anchor])
    gap = [[math.dist(x[i].mean(axis=1), x[j].mean(axis=1)) for j in found.candidate] for i in found.anchor]
    by_hand = (
        offset / np.sum(d),
        own / np.mean(d),
        np.mean([correlation(p, q) for p, q in zip(d, gap, strict=True)]),
    )
    reported = (found.offset_share, found.self_ratio, found.correlation["mean offset"])
    assert reported == pytest.approx(by_hand, rel=1e-4)


def test_options_in_use_are_those_that_are_looked_at() -> None:
    free, posture = motif(offset_free=True), motif(offset="remove", offset_weight=2.0)
    assert motion_only(free) is free
    assert options_of(posture).mean_weight == 2.0
    assert options_of(motion_only(posture)).mean_weight == 0.0  # type: ignore[arg-type]


def test_the_other_attention_keeps_the_options() -> None:
    other = other_attention(motif(rotation_aligned=True))
    assert isinstance(other, MotifDistance)
    assert (options_of(other).align, other.options["attention"]) == ("gravity", "sparsemax")
