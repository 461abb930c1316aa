"""N windows a class as PRIMUS is judged: who teaches, that every encoder is taught alike, and that nobody is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluating import Stats, folds, silent, vectors, waves
from kinelet.evaluate.compare import compare
from kinelet.evaluate.curve import SHOTS, draw_spread, few_shot_curve
from kinelet.evaluate.honesty import SeenSubjectError
from kinelet.evaluate.shots import PrimusFewShot
from kinelet.evaluate.shots_trained import TrainedShots
from kinelet.evaluate.spread import draw_orders, without_overlap
from kinelet.evaluate.task import Task
from kinelet.signal.spec import imu_spec


def timed(hop: float = 0.5) -> Task:
    """Windows of 1 s every 0.5 s in two recordings a person; the class changes halfway through each."""
    t = vectors(4, per=40, n_classes=2)
    place = np.tile(np.arange(20), 8)
    spec = imu_spec(20.0, window_s=1.0)
    recording = np.repeat(np.arange(8), 20)
    return replace(t, y=(place >= 10).astype(int), recording=recording, start_s=place * hop, spec=spec)


def test_a_draw_holds_n_windows_of_each_class() -> None:
    t = vectors()
    assert all(np.bincount(t.y[rows]).tolist() == [4, 4, 4] for rows in PrimusFewShot(n=4).supports(t))


@pytest.mark.parametrize(("n", "people"), [(1, 1), (3, 3), (8, 8), (20, 8)])
def test_windows_of_a_class_come_from_as_many_people_as_can_be(n: int, people: int) -> None:
    t = vectors(n_people=8, per=60)
    for rows in PrimusFewShot(n=n).supports(t):
        for c in range(3):
            counts = np.bincount(t.subject[rows[t.y[rows] == c]], minlength=8)
            assert (counts > 0).sum() == people
            assert counts.max() - counts[counts > 0].min() <= 1


def test_someone_with_few_windows_does_not_stop_the_others() -> None:
    t = vectors(n_people=3, per=60)
    scarce = t.take(np.flatnonzero((t.subject > 0) | (np.arange(len(t)) < 2)))
    rows = PrimusFewShot(n=20, draws=1).supports(scarce)[0]
    assert np.bincount(scarce.y[rows]).max() == 20


def test_draws_of_more_windows_begin_with_those_of_fewer() -> None:
    t = vectors()
    few, more = PrimusFewShot(n=3).supports(t), PrimusFewShot(n=9).supports(t)
    assert all(set(a) < set(b) for a, b in zip(few, more, strict=True))


def test_draws_do_not_depend_on_the_encoder() -> None:
    t = vectors()
    a, b = (PrimusFewShot().supports(v) for v in (t, t.with_x(np.ones((len(t), 2), np.float32))))
    assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))


def test_draws_differ_and_another_seed_gives_others() -> None:
    t = vectors()
    a, b = PrimusFewShot(draws=2).supports(t)
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, PrimusFewShot(seed=1).supports(t)[0])


def test_overlapping_windows_are_never_drawn_together() -> None:
    t = timed()
    for rows in PrimusFewShot(n=500, draws=3).supports(t):
        for recording in range(8):
            for label in (0, 1):
                mine = rows[(t.recording[rows] == recording) & (t.y[rows] == label)]  # type: ignore[index]
                assert np.diff(np.sort(t.start_s[mine])).min() >= 1.0  # type: ignore[index]


def test_as_many_windows_as_fit_are_kept_apart() -> None:
    assert without_overlap(timed()).sum() == 8 * 10


def test_windows_that_touch_do_not_overlap() -> None:
    assert without_overlap(timed(hop=1.0)).all()


def test_all_takes_every_window_once() -> None:
    t = timed()
    (rows,) = PrimusFewShot(n="all").supports(t)
    assert np.array_equal(rows, np.arange(len(t)))


def test_a_class_that_nobody_performed_is_left_to_itself() -> None:
    t = replace(vectors(), classes=("a", "b", "c", "d"))
    assert len(draw_orders(t, 1, 0)[0][3]) == 0
    assert set(PrimusFewShot(n=2, draws=1).predict(t, t.x, None, silent).ravel()) <= {0, 1, 2}


def test_no_test_window_is_dropped() -> None:
    t = vectors(n_people=7, per=37)
    results = few_shot_curve(None, t, folds(t), shots=(1, 5), name="x")
    assert all(np.array_equal(r.row, np.arange(len(t))) for r in results.values())


def test_a_last_batch_that_is_not_full_counts() -> None:
    t = waves()
    whole, pieces = (few_shot_curve(Stats(), t, folds(t, 3), shots=(5,), batch_size=b)[5] for b in (512, 7))
    assert len(t) % 7
    assert np.array_equal(whole.predicted, pieces.predicted)


def test_the_head_of_every_encoder_starts_alike() -> None:
    """From zero: what is learnt then depends on the angles between vectors alone, not on their axes or width."""
    t = vectors(noise=2.0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(9, 9)))[0].astype(np.float32)
    wider = np.hstack([t.x, np.zeros((len(t), 4), np.float32)]) @ turn
    protocol = PrimusFewShot(n=3)
    a = protocol.predict(t, t.x, None, silent)
    b = protocol.predict(t.with_x(wider), wider, None, silent)
    assert (a == b).mean() > 0.999


@pytest.mark.parametrize("change", ["length", "offset of the unit vectors"])
def test_what_all_vectors_share_changes_nothing(change: str) -> None:
    t = vectors(noise=2.0)
    x = t.x / np.linalg.norm(t.x, axis=1, keepdims=True)
    if change == "length":
        y = x * np.random.default_rng(0).uniform(1, 9, (len(x), 1)).astype(np.float32)
    else:  # on a cone around an axis of their own: still of one length, all nearly parallel
        x, y = (np.hstack([x * s, np.full((len(x), 1), np.sqrt(1 - s * s))]).astype(np.float32) for s in (0.9, 0.09))
    protocol = PrimusFewShot(n=3)
    a, b = (protocol.predict(t.with_x(v), v, None, silent) for v in (x, y))
    assert (a == b).mean() > 0.99


def test_columns_of_different_units_can_be_standardised() -> None:
    t = vectors(noise=0.5)
    units = t.x * np.float32([1, 1e3, 1e-3, 1, 1e5])
    r = few_shot_curve(
        None, t.with_x(units), folds(t), shots=(10,), protocol=PrimusFewShot(normalise="columns"), name="x"
    )
    assert r[10].estimates["macro_f1"].value > 0.9


def test_macro_f1_is_what_scikit_learn_says() -> None:
    from sklearn.metrics import f1_score

    t = vectors(noise=3.0, n_people=7, per=37)
    r = few_shot_curve(None, t, folds(t), shots=(2,), name="x")[2]
    ours = [f1_score(r.truth, p, average="macro") for p in r.predicted]
    assert r.estimates["macro_f1"].value == pytest.approx(np.mean(ours), abs=1e-12)


def test_more_windows_help() -> None:
    t = vectors(noise=3.0, n_people=12)
    r = few_shot_curve(None, t, folds(t), shots=(1, 25), name="x")
    assert r[25].difference(r[1], "macro_f1").above_zero


def test_a_curve_ends_where_there_are_no_more_windows() -> None:
    t = vectors(n_people=8, per=30)  # 180 training windows, 60 a class
    assert list(few_shot_curve(None, t, folds(t), shots=SHOTS, name="x")) == [1, 5, 10, 25, 50, "all"]


def test_windows_are_embedded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    t, calls = waves(), []
    embed = Stats.embed
    monkeypatch.setattr(Stats, "embed", lambda self, x, b=512: calls.append(len(x)) or embed(self, x, b))
    few_shot_curve(Stats(), t, folds(t, 3), shots=(1, 5))
    assert calls == [len(t)]


def test_two_encoders_are_compared_on_the_same_windows() -> None:
    t = waves()
    a, b = (few_shot_curve(Stats(), t, folds(t, 3), shots=(5,), name=n)[5] for n in "ab")
    assert compare([a, b]).rows[0].difference is not None
    assert a.difference(b, "macro_f1").value == 0


def test_seen_people_are_refused() -> None:
    t, encoder = waves(), Stats()
    encoder.card["pretrain_subjects"] = ["P00"]
    with pytest.raises(SeenSubjectError, match="P00"):
        few_shot_curve(encoder, t, folds(t, 3), shots=(1,))


def test_people_of_a_class_are_told() -> None:
    assert PrimusFewShot(n=3).notes(vectors()) == (
        "primus-few-shot, n = 3: windows of a class come from 3 to 3 people",
    )


def test_classes_with_too_few_windows_are_told() -> None:
    t = vectors()
    rare = t.take(np.flatnonzero((t.y != 2) | (t.subject == 0)))
    assert any("fewer windows of c" in note for note in PrimusFewShot(n=50).notes(rare))


def test_the_spread_over_draws_is_told() -> None:
    t = vectors(noise=3.0)
    r = few_shot_curve(None, t, folds(t), shots=(1, "all"), name="x")
    assert draw_spread(r[1], "macro_f1") > 0
    assert draw_spread(r["all"], "macro_f1") == 0


def trained(**options: Any) -> TrainedShots:
    return TrainedShots(**{"n": 4, "draws": 2, "steps": 30, "head_lr": 0.05, **options})


def test_training_all_weights_learns_from_the_same_windows() -> None:
    t = waves()
    a, b = trained().supports(t), PrimusFewShot(n=4, draws=2).supports(t)
    assert all(np.array_equal(i, j) for i, j in zip(a, b, strict=True))


def test_training_all_weights_learns() -> None:
    t = waves()
    result = few_shot_curve(Stats(), t, folds(t, 3), shots=(4,), protocol=trained(), name="x")[4]
    assert result.estimates["macro_f1"].value > 0.8


def test_training_all_weights_leaves_the_encoder_as_it_was() -> None:
    t, encoder = waves(), Stats()
    trained().predict(t, t.x, encoder, silent)
    assert encoder.gain.item() == 1.0
    assert not [p for p in encoder.parameters() if p.grad is not None]


def test_training_all_weights_can_be_repeated() -> None:
    t = waves()
    a, b = (trained(n=2).predict(t, t.x, Stats(), silent) for _ in range(2))
    assert np.array_equal(a, b)
