"""Networks of several modalities: vectors for probes, fine-tuning, and the same from fresh weights."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.moments import Moments, moments
from kinelet.datasets.shared_private import shared_private
from kinelet.deploy.multimodal import Multimodal
from kinelet.encoders.registry import create_encoder
from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.evaluate.moment_features import columns, embed_moments, task_of
from kinelet.evaluate.multimodal_fine_tune import MomentEncoder, MultimodalFineTune, pack, untrained
from kinelet.evaluate.task import FloatArray, Task

WIDTH = 6
SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "one": ("tf_vit", {"width": 16, "depth": 1, "heads": 2, "code": 12}),
    "two": (
        "conv_gru",
        {"width": 8, "merged": 8, "hidden": 8, "convolutions": 1, "layers": 1, "dropout": 0.3, "norm": "batch"},
    ),
}


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    folder: Path = tmp_path_factory.mktemp("world")
    build(list(shared_private(3, 24, missing=0.15, seed=2)), folder, BuildConfig(quality=False, streams=True))
    return moments(Corpus.open(folder), None, 2.0, track="shared")


@pytest.fixture(scope="module")
def model(cut: Moments) -> Multimodal:
    torch.manual_seed(0)
    made = {}
    for name in cut.names:
        spec = cut.specs[name]
        # One of them behaves otherwise in training: dropout, batch statistics.
        base = create_encoder(SMALL[name][0], spec=spec, **SMALL[name][1])
        base.fit_input([torch.as_tensor(cut.gather(np.arange(len(cut)))[name])])
        made[name] = SharedPrivate.around(base, width=WIDTH)
    return Multimodal(made)


@pytest.fixture(scope="module")
def task(cut: Moments, model: Multimodal) -> Task:
    told, keep = task_of(cut, target="classes", name="own")
    return told.with_x(pack(cut.select(keep), model.names))


def net_of(model: Multimodal) -> MomentEncoder:
    return MomentEncoder(model, {name: model.of(name).spec for name in model.names})


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_vectors_are_made_in_evaluation_mode_and_change_nothing(cut: Moments, model: Multimodal) -> None:
    """Spec check 23: encoder in eval mode, tensors unchanged, features identical over two calls."""
    model.train()
    before = tensors(model)
    first, second = embed_moments(model, cut), embed_moments(model, cut)
    assert not any(m.training for m in model.modules())
    assert same(before, tensors(model))
    for name in model.names:
        for part in ("u", "v", "backbone"):
            np.testing.assert_array_equal(first[name][part], second[name][part])


def test_vectors_do_not_depend_on_the_batch(cut: Moments, model: Multimodal) -> None:
    one, other = embed_moments(model, cut, 512), embed_moments(model, cut, 7)
    np.testing.assert_allclose(one["two"]["u"], other["two"]["u"], atol=1e-5)


def test_rows_that_lack_a_modality_are_nan_and_others_are_what_the_encoder_says(
    cut: Moments, model: Multimodal
) -> None:
    there = cut.present[:, cut.names.index("two")]
    u = embed_moments(model, cut)["two"]["u"]
    np.testing.assert_array_equal(np.isfinite(u).all(axis=1), there)
    windows = torch.as_tensor(cut.gather(np.flatnonzero(there))["two"])
    expected = model.of("two").outputs(windows)["u"].detach().numpy()
    np.testing.assert_allclose(u[there], expected, atol=1e-5)


def test_a_batch_that_lacks_a_modality_altogether(cut: Moments, model: Multimodal) -> None:
    lacking = cut.select(~cut.present[:, cut.names.index("two")])
    found = embed_moments(model, lacking)
    assert np.isnan(found["two"]["v"]).all()
    assert found["two"]["v"].shape == (len(lacking), WIDTH)
    nothing = torch.zeros(len(lacking), 2, dtype=torch.bool)
    windows = {name: torch.as_tensor(x) for name, x in lacking.gather(np.arange(len(lacking))).items()}
    assert not model.outputs(windows, nothing)["two"]["u"].any()


def test_columns_say_whose_they_are(cut: Moments, model: Multimodal) -> None:
    x, groups = columns(embed_moments(model, cut), ("two", "one"), ("u", "v"))
    assert [(g.name, g.columns) for g in groups] == [("two", 2 * WIDTH), ("one", 2 * WIDTH)]
    assert x.shape == (len(cut), 4 * WIDTH)


def test_packed_moments_are_encoded_as_their_windows_are(cut: Moments, model: Multimodal) -> None:
    model.eval()
    got = MomentEncoder(model, cut.specs)(torch.from_numpy(pack(cut, model.names))).detach().numpy()
    parts = embed_moments(model, cut)
    expected, _ = columns(parts, model.names, ("u", "v"))
    np.testing.assert_allclose(got, np.nan_to_num(expected), atol=1e-5)


def test_what_an_absent_modality_holds_does_not_matter(cut: Moments, model: Multimodal) -> None:
    model.eval()
    rows = pack(cut, model.names)
    absent = np.flatnonzero(rows[:, -1] == 0)
    assert len(absent)
    spoilt = rows.copy()
    net = MomentEncoder(model, cut.specs)
    first = sum(net.channels[:1]) * net.samples[0]
    spoilt[absent, first:-2] = np.nan
    torch.testing.assert_close(net(torch.from_numpy(rows)), net(torch.from_numpy(spoilt)))


def test_untrained_network_has_other_weights_and_the_same_input(cut: Moments, model: Multimodal) -> None:
    fresh, again, other = untrained(model, 3), untrained(model, 3), untrained(model, 4)
    assert same(tensors(fresh), tensors(again))
    assert not same(tensors(fresh), tensors(other))
    assert tensors(fresh).keys() == tensors(model).keys()
    for name in model.names:
        x = torch.as_tensor(cut.gather(np.arange(4))[name])
        torch.testing.assert_close(fresh.of(name).base.image(x), model.of(name).base.image(x))  # type: ignore[operator]
        assert not torch.equal(fresh.of(name).head_u[0].weight, model.of(name).head_u[0].weight)  # type: ignore[index]


def test_making_one_draws_nothing_from_the_global_generator(model: Multimodal) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    untrained(model, 5)
    assert torch.equal(torch.rand(3), expected)


def quick(**options: object) -> MultimodalFineTune:
    return MultimodalFineTune.model_validate({"epochs": 2, "epoch_steps": 3, "batch_size": 16, **options})


def predict(protocol: MultimodalFineTune, model: Multimodal, task: Task) -> FloatArray:
    rows = task.rows(task.people[:2])
    return protocol.predict(task.take(rows), task.x, net_of(model), lambda _note: None)


def test_fine_tuning_leaves_the_encoders_as_they_were(model: Multimodal, task: Task) -> None:
    before = tensors(model)
    got = predict(quick(), model, task)
    assert got.shape == (1, len(task))
    assert same(before, tensors(model))
    np.testing.assert_array_equal(got, predict(quick(), model, task))


def test_from_scratch_weights_do_not_matter(model: Multimodal, task: Task) -> None:
    torch.manual_seed(9)
    other = copy.deepcopy(model)
    for encoder in other.encoders.values():
        torch.nn.init.normal_(encoder.head_u[0].weight)  # type: ignore[index, arg-type]
    np.testing.assert_array_equal(predict(quick(scratch=True), model, task), predict(quick(scratch=True), other, task))


def test_encoders_themselves_are_trained(model: Multimodal, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    import kinelet.evaluate.multimodal_fine_tune as module

    made = []
    real = module.make_trainer
    monkeypatch.setattr(module, "make_trainer", lambda *a: made.append(real(*a)) or made[-1])  # type: ignore[func-returns-value]
    predict(quick(), model, task)
    body = made[0].model[0].model
    for name in model.names:
        assert not same(tensors(model.of(name).base), tensors(body.of(name).base))
        assert not torch.equal(model.of(name).head_v[0].weight, body.of(name).head_v[0].weight)  # type: ignore[index]


@pytest.mark.parametrize("scratch", [False, True])
def test_moments_of_another_length_than_the_encoders_were_trained_on(
    cut: Moments, model: Multimodal, scratch: bool
) -> None:
    longer = moments(cut.corpus, None, 4.0, track="shared")
    told, keep = task_of(longer, target="classes", name="own")
    longer = longer.select(keep)
    net, rows = MomentEncoder(model, longer.specs), pack(longer, model.names)
    expected, _ = columns(embed_moments(model, longer), model.names, ("u", "v"))
    np.testing.assert_allclose(net.eval()(torch.from_numpy(rows)).detach().numpy(), np.nan_to_num(expected), atol=1e-5)
    got = quick(scratch=scratch).predict(told.with_x(rows), rows, net, lambda _note: None)
    assert got.shape == (1, len(longer))


def test_few_labels_of_one_person_are_learnt_from_and_remarked(model: Multimodal, task: Task) -> None:
    alone = task.take(task.rows(task.people[:1]))
    protocol = quick()
    assert protocol.predict(alone, task.x[:5], net_of(model), lambda _note: None).shape == (1, 5)
    assert "not stopped early" in protocol.notes(alone)[0]
    assert protocol.notes(task) == ()


def test_an_easy_class_is_learnt(model: Multimodal, task: Task) -> None:
    strength = task.x[:, :32].std(axis=1)
    loud = (strength > np.median(strength)).astype(np.int64)
    easy = Task(task.x, loud, task.subject, task.subjects, task.spec, ("low", "high"))
    told = quick(epochs=8, epoch_steps=8, lr=3e-3, head_lr=1e-2, patience=8)
    got = told.predict(easy, easy.x, net_of(model), lambda _note: None)
    assert (got[0] == easy.y).mean() > 0.8


def test_an_encoder_of_one_modality_is_refused(model: Multimodal, task: Task) -> None:
    with pytest.raises(BadOptionError, match="several modalities"):
        quick().predict(task, task.x, model.of("one"), lambda _note: None)
