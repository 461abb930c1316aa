from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluating import as_they_are, folds, values, vectors
from kinelet.errors import BadFileError, BadOptionError
from kinelet.evaluate.compare import compare
from kinelet.evaluate.few_shot import FewShot
from kinelet.evaluate.knn import KNN
from kinelet.evaluate.probe import LinearProbe
from kinelet.evaluate.regression import Constant, RidgeProbe
from kinelet.evaluate.result import Result
from kinelet.evaluate.run import evaluate_features
from kinelet.report.evaluation import sections

T = vectors()


def judged(name: str = "a", noise: float = 0.0) -> Result:
    r = np.random.default_rng(1)
    t = T.with_x((T.x + noise * r.normal(size=T.x.shape)).astype(np.float32))
    return evaluate_features(LinearProbe(), as_they_are, t, folds(t), name=name)


def test_a_result_reads_back_with_the_same_predictions(tmp_path: Path) -> None:
    judged().save(tmp_path / "r.json")
    assert np.array_equal(Result.load(tmp_path / "r.json").predicted, judged().predicted)


def test_a_result_reads_back_with_the_same_estimates(tmp_path: Path) -> None:
    judged().save(tmp_path / "r.json")
    assert Result.load(tmp_path / "r.json").estimates == judged().estimates


def test_draws_survive_the_file(tmp_path: Path) -> None:
    r = evaluate_features(FewShot(draws=3), as_they_are, T, folds(T), name="x")
    r.save(tmp_path / "r.json")
    assert Result.load(tmp_path / "r.json").predicted.shape == (3, len(T))


def test_a_regression_result_reads_back(tmp_path: Path) -> None:
    t = values()
    r = evaluate_features(RidgeProbe(), as_they_are, t, folds(t), name="x")
    r.save(tmp_path / "r.json")
    assert np.allclose(Result.load(tmp_path / "r.json").predicted, r.predicted)


def test_undefined_figures_are_null_in_the_file(tmp_path: Path) -> None:
    t = values()
    split = folds(t)[:1]
    evaluate_features(Constant(), as_they_are, t, split, name="x").save(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["estimates"]["r"]["value"] is None


def test_undefined_figures_read_back_as_nan(tmp_path: Path) -> None:
    t = values()
    evaluate_features(Constant(), as_they_are, t, folds(t)[:1], name="x").save(tmp_path / "r.json")
    assert np.isnan(Result.load(tmp_path / "r.json").estimates["r"].value)


@pytest.mark.parametrize("text", ["", "[]", "{}", "{not json", '{"schema": 1}'])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(BadFileError):
        Result.load(tmp_path / "r.json")


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{"schema": 99}')
    with pytest.raises(BadFileError, match="99"):
        Result.load(tmp_path / "r.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        Result.load(tmp_path / "nothing.json")


def test_a_result_prints_estimate_interval_and_people() -> None:
    assert "(8 subjects)" in str(judged())


def test_confusion_counts_all_windows() -> None:
    assert judged().confusion.sum() == len(T)


def test_confusion_of_draws_is_their_mean() -> None:
    r = evaluate_features(FewShot(draws=3), as_they_are, T, folds(T), name="x")
    assert r.confusion.sum() == pytest.approx(len(T))


def test_recall_of_each_class_is_the_share_right_of_its_windows() -> None:
    r = judged(noise=3.0)
    want = {c: np.mean(r.predicted[0][r.truth == i] == i) for i, c in enumerate(r.classes)}
    assert min(want.values()) < 1
    assert r.recall == pytest.approx(want)


def test_the_file_tells_recall_and_null_for_a_class_that_nobody_performed() -> None:
    r = judged(noise=3.0)
    more = replace(r, classes=(*r.classes, "never"), estimates={})
    told = json.loads(json.dumps(more.to_dict(), allow_nan=False))["recall"]
    assert told.pop("never") is None
    assert told == pytest.approx(r.recall)


def test_the_page_tells_recall_of_each_class_by_every_representation() -> None:
    r, other = judged("a", noise=3.0), judged("b", noise=1.0)
    page = next(s.body for s in sections([r, other]) if s.title == "What is taken for what")
    for c in r.classes:
        row = [c, str(np.sum(r.truth == r.classes.index(c))), f"{r.recall[c]:.3f}", f"{other.recall[c]:.3f}"]
        assert "".join(f'<td class="n">{cell}</td>' for cell in row) in page


def test_per_subject_accuracy_is_the_share_right_of_that_person() -> None:
    r = judged()
    mine = r.subject == 3
    assert r.per_subject("accuracy")["P03"] == pytest.approx((r.predicted[0] == r.truth)[mine].mean())


def test_spread_covers_all_people() -> None:
    r = judged()
    assert r.spread("accuracy").minimum == min(r.per_subject("accuracy").values())


def test_a_comparison_gives_the_difference_of_the_estimates() -> None:
    a, b = judged("a"), judged("b", noise=3.0)
    row = compare([a, b]).rows[0]
    want = a.estimates["macro_f1"].value - b.estimates["macro_f1"].value
    assert row.difference is not None and row.difference.value == pytest.approx(want)


def test_the_reference_has_no_difference() -> None:
    assert compare([judged("a"), judged("b")], reference=0).rows[0].difference is None


def test_a_clear_advantage_lies_above_zero() -> None:
    assert judged("a").difference(judged("b", noise=5.0), "macro_f1").above_zero


def test_the_table_has_a_line_for_each_result() -> None:
    table = compare([judged("one"), judged("two")]).table()
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["one", "two"]


def test_values_are_compared_by_mean_absolute_error() -> None:
    t = values()
    r = evaluate_features(RidgeProbe(), as_they_are, t, folds(t), name="x")
    assert compare([r, r]).metric == "mae"


def test_results_on_other_people_are_not_compared() -> None:
    other = evaluate_features(KNN(), as_they_are, T, folds(T)[:2], name="x")
    with pytest.raises(BadOptionError, match="differ in subjects"):
        compare([judged(), other])


def test_results_on_other_labels_are_not_compared() -> None:
    t = replace(T, y=(T.y + 1) % 3)
    other = evaluate_features(KNN(), as_they_are, t, folds(t), name="x")
    with pytest.raises(BadOptionError, match="differ in truth"):
        compare([judged(), other])


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(BadOptionError, match="beauty"):
        compare([judged()], metric="beauty")


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(BadOptionError, match="no results"):
        compare([])
