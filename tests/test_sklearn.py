from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import kinelet.sklearn
from evaluating import SPEC, Stats, waves
from kinelet.encoders.io import save_encoder
from kinelet.encoders.registry import create_encoder
from kinelet.errors import BadOptionError
from kinelet.signal.recording import Recording, Segment
from kinelet.signal.spec import SignalSpec
from kinelet.sklearn import Embedder, InputError

ENCODER = Stats(SPEC.replace(window_s=2.0))
NEEDS_2D = dict.fromkeys(
    (
        "check_fit_score_takes_y",
        "check_estimators_overwrite_params",
        "check_dont_overwrite_parameters",
        "check_estimators_fit_returns_self",
        "check_readonly_memmap_input",
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
        "check_estimators_dtypes",
        "check_dtype_object",
        "check_pipeline_consistency",
        "check_estimators_nan_inf",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_dict_unchanged",
        "check_fit_idempotent",
        "check_fit_check_is_fitted",
        "check_n_features_in",
        "check_fit2d_predict1d",
    ),
    "feeds two-dimensional X, which has no channels; an encoder of several channels takes (n, channel, time)",
)


def failures(estimator: Embedder, expected: dict[str, str]) -> list[str]:
    checks = check_estimator(estimator, expected_failed_checks=expected, on_fail=None, on_skip=None)
    return [f"{c['check_name']}: {c['exception']!r}" for c in checks if c["status"] == "failed"]


def one_channel(source: object) -> Stats:
    return Stats(SignalSpec(rate_hz=10.0, channels=("bvp",), units=("au",)))


def recordings(n: int = 3) -> list[Recording]:
    r = np.random.default_rng(0)
    return [
        Recording(r.normal(size=(200, 3)).astype(np.float32) + i, SPEC, subject=f"P{i}", name=str(i)) for i in range(n)
    ]


def test_all_of_scikit_learns_checks_pass_for_one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinelet.sklearn, "load", one_channel)
    assert failures(Embedder("run"), {}) == []


def test_the_checks_that_apply_pass_for_several_channels() -> None:
    assert failures(Embedder(Stats()), NEEDS_2D) == []


def test_rows_equal_the_encoders_vectors() -> None:
    t = waves()
    assert np.array_equal(Embedder(ENCODER).fit_transform(t.x), ENCODER.embed(t.x))


def test_it_works_in_a_pipeline_with_groups() -> None:
    t = waves()
    pipeline = make_pipeline(Embedder(Stats()), StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, t.x, t.y, groups=t.subject, cv=GroupKFold(3)).mean() > 0.8


def test_it_loads_a_run_from_its_path(tmp_path: Path) -> None:
    encoder = create_encoder("resnet1d_small", spec=SPEC).eval()
    save_encoder(encoder, tmp_path / "run" / "model")
    x = waves().x[:5]
    assert np.allclose(Embedder(tmp_path / "run").fit_transform(x), encoder.embed(x), atol=1e-6)


def test_a_pickle_holds_the_path_and_not_the_weights(tmp_path: Path) -> None:
    save_encoder(create_encoder("resnet1d_small", spec=SPEC), tmp_path / "model")
    fitted = Embedder(str(tmp_path / "model")).fit(waves().x)
    assert len(pickle.dumps(fitted)) < 2000


def test_an_unpickled_transformer_loads_its_encoder_again(tmp_path: Path) -> None:
    save_encoder(create_encoder("resnet1d_small", spec=SPEC), tmp_path / "model")
    x = waves().x[:4]
    fitted = Embedder(str(tmp_path / "model")).fit(x)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(x), fitted.transform(x))


def test_a_clone_has_the_same_parameters() -> None:
    assert clone(Embedder("run", rate_hz=30.0, step_s=2.0)).get_params() == {
        "encoder": "run",
        "rate_hz": 30.0,
        "batch_size": 512,
        "step_s": 2.0,
    }


def test_output_columns_have_names() -> None:
    assert Embedder(Stats()).fit(waves().x).get_feature_names_out().tolist() == [f"embedder{i}" for i in range(4)]


def test_pandas_output_is_possible() -> None:
    pytest.importorskip("pandas")
    frame = Embedder(Stats()).set_output(transform="pandas").fit_transform(waves().x)
    assert list(frame.columns) == [f"embedder{i}" for i in range(4)]


def test_a_recordings_row_is_the_mean_of_its_windows() -> None:
    rec = recordings(1)[0]
    windows = np.stack([rec.data[i : i + 40].T for i in range(0, 161, 20)])
    assert np.allclose(Embedder(ENCODER).fit_transform([rec])[0], ENCODER.embed(windows).mean(axis=0), atol=1e-5)


def test_each_recording_has_a_row() -> None:
    assert Embedder(ENCODER).fit_transform(recordings()).shape == (3, 4)


def test_a_recording_without_a_whole_window_is_refused() -> None:
    rec = recordings(1)[0]
    pieces = rec.replace(segments=tuple(Segment(i, i + 20, i / 4) for i in range(0, 200, 20)))
    with pytest.raises(InputError, match="as long as a window"):
        Embedder(ENCODER).fit_transform([pieces])


def test_arrays_at_another_rate_are_resampled() -> None:
    t = np.arange(80) / 40.0
    slow = np.sin(2 * np.pi * 1.0 * t[::2])
    x40, x20 = (np.tile(s, (1, 3, 1)).astype(np.float32) for s in (np.sin(2 * np.pi * 1.0 * t), slow))
    a, b = Embedder(Stats(), rate_hz=40.0).fit_transform(x40), Embedder(Stats()).fit_transform(x20)
    assert np.abs(a - b).max() < 0.1


def test_resampling_keeps_gravity() -> None:
    still = np.full((1, 3, 80), 1.0, np.float32)
    assert np.allclose(Embedder(Stats(), rate_hz=40.0).fit_transform(still), 1.0, atol=1e-3)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(BadOptionError, match="rate_hz"):
        Embedder(Stats(), rate_hz=-1.0).fit(waves().x)


def test_a_wrong_number_of_channels_is_refused() -> None:
    with pytest.raises(Exception, match="3 channels"):
        Embedder(Stats()).fit(np.zeros((2, 5, 40), np.float32))


def test_two_dimensions_are_refused_for_several_channels() -> None:
    with pytest.raises(ValueError, match="Expected 3 dimensions"):
        Embedder(Stats()).fit(np.zeros((2, 40), np.float32))
