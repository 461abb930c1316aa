"""From encoders of one modality each and pairs to a run directory: stages, resume, people held out, refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import kinelet as kl
from kinelet.corpus import BuildConfig, Corpus, build, union
from kinelet.datasets.shared_private import shared_private
from kinelet.deploy.multimodal import load_multimodal
from kinelet.errors import BadOptionError
from kinelet.methods.tf_decoder import load_decoder
from kinelet.train import aligning, unimodal
from kinelet.train.align import align, training_pairs
from kinelet.train.align_recipe import AlignConfig, align_recipe
from kinelet.train.loop import InterruptedRunError
from kinelet.train.stage1 import stage1_config

TINY = [
    "encoder.options={width: 16, depth: 1, heads: 2, code: 16}",
    "stage1={encoder: {options: {width: 16, depth: 1, heads: 2, code: 16}}, train: {steps: 2, batch_size: 16}}",
    "heads.width=16",
    "pairs.window_s=2",
    "train.steps=4",
    "train.batch_size=16",
    "train.warmup=0",
    "train.checkpoint_every=2",
    "train.workers=0",
]
SMALL = ["method_options.critic.width=16", "method_options.decoder={width: 16, depth: 1, heads: 2}"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("world")
    build(list(shared_private(4, 40, seed=1)), folder, BuildConfig(quality=False, streams=True))
    return Corpus.open(folder)


def config(method: str = "infomae", *told: str) -> AlignConfig:
    return align_recipe(None, [*TINY, *(SMALL if method == "infomae" else []), *told], method=method)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_multimodal(folder).state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def first(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Runs of stage 1 by modality, on everybody but the first person."""
    out, names = tmp_path_factory.mktemp("first"), training_pairs(corpus, config()).names
    told = config("none", f"pairs.hold_out=[{corpus.subjects[0]}]")
    align(corpus, out, told, unimodal=dict.fromkeys(names, corpus))
    return {name: str(out / "unimodal" / name) for name in names}


@pytest.fixture
def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where an encoder is pretrained or aligned."""

    def trained(*_: Any, **__: Any) -> None:
        raise AssertionError("something is trained")

    monkeypatch.setattr(unimodal, "pretrain", trained)
    monkeypatch.setattr(aligning, "fit", trained)


def test_three_stages_from_one_corpus(corpus: Corpus, tmp_path: Path) -> None:
    held = corpus.subjects[0]
    names = training_pairs(corpus, config()).names
    model = align(
        corpus, tmp_path / "run", config("infomae", f"pairs.hold_out=[{held}]"), unimodal=dict.fromkeys(names, corpus)
    )
    assert model.names == names
    assert model.card["pretrain_people"] == 3
    seen = set(model.card["pretrain_subjects"])
    assert not seen & corpus.identities([held])
    assert seen >= corpus.identities(corpus.subjects[1:])
    for name in names:
        stage1 = json.loads((tmp_path / "run" / "unimodal" / name / "model" / "config.json").read_text())["card"]
        assert not set(stage1["pretrain_subjects"]) & corpus.identities([held])
        alone = kl.load(tmp_path / "run", modality=name, output="u")
        x = torch.randn(2, len(alone.spec.channels), alone.spec.window_samples or 0)
        torch.testing.assert_close(alone(x), model.of(name).outputs(x)["u"])


def test_stage_1_weights_are_where_stage_2_begins(corpus: Corpus, tmp_path: Path) -> None:
    """Spec check 22: with encoders frozen, alignment leaves them as stage 1 made them, to the bit."""
    names = training_pairs(corpus, config()).names
    told = config("infomae", "method_options.freeze_encoder=true")
    model = align(corpus, tmp_path / "run", told, unimodal=dict.fromkeys(names, str(corpus.path)))
    for name in names:
        first = kl.load(tmp_path / "run" / "unimodal" / name).state_dict()
        assert same(first, model.of(name).base.state_dict())


def test_resumed_run_ends_with_the_same_bits(corpus: Corpus, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    align(corpus, whole, config())

    def stop(done: int, note: str = "") -> None:
        if done == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        align(corpus, cut, config(), progress=stop)
    align(corpus, cut, config(), resume=True)
    assert same(weights(whole), weights(cut))


@pytest.mark.parametrize("method", ["none", "cca", "procrustes"])
def test_closed_forms_take_no_steps(corpus: Corpus, tmp_path: Path, method: str) -> None:
    model = align(corpus, tmp_path / "run", config(method))
    assert model.card["steps"] == 0
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert load_multimodal(tmp_path / "run").card["features"] == model.card["features"]


def test_a_share_of_the_pairs_is_part_of_a_larger_one(corpus: Corpus) -> None:
    def chosen(share: float) -> set[int]:
        found = training_pairs(corpus, config("infomae", f"pairs.share={share}"))
        return set(found.base(np.arange(len(found))).tolist())

    few, half = chosen(0.1), chosen(0.5)
    assert few < half < chosen(1.0)
    assert abs(len(half) - len(chosen(1.0)) / 2) <= 4


def test_held_out_pairs_are_logged(corpus: Corpus, tmp_path: Path) -> None:
    model = align(corpus, tmp_path / "run", config("infomae", "train.diagnose_every=2"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any(key.startswith("held_out_accuracy") for key in lines[-1])
    assert model.card["pairs_kept_out"] > 0
    assert model.card["pairs"] + model.card["pairs_kept_out"] <= len(training_pairs(corpus, config()))


def test_another_configuration_is_refused_a_finished_folder(corpus: Corpus, tmp_path: Path) -> None:
    align(corpus, tmp_path / "run", config("none"))
    with pytest.raises(BadOptionError, match="holds"):
        align(corpus, tmp_path / "run", config("none"))


def _refusal(corpus: Corpus, tmp_path: Path, match: str, *told: str, method: str = "infomae", **given: Any) -> None:
    with pytest.raises(BadOptionError, match=match):
        align(given.pop("pairs", corpus), tmp_path / "run", config(method, *told), **given)
    assert not (tmp_path / "run").exists()


def test_refusals_write_nothing(corpus: Corpus, tmp_path: Path) -> None:
    _refusal(corpus, tmp_path, "aligns nothing", method="simclr")
    _refusal(corpus, tmp_path, "no modality eeg", unimodal={"eeg": "x"})
    _refusal(corpus, tmp_path, "who is in no corpus", "pairs.hold_out=[nobody]")
    _refusal(corpus, tmp_path, "no multiple", "train.batch_size=18")


@pytest.mark.parametrize("pretrained", [False, True])
@pytest.mark.parametrize(
    ("method", "told", "match"),
    [
        ("infomae", ["pairs.length=64", "train.batch_size=64"], "no sequence of 64 consecutive moments"),
        ("cca", ["method_options.components=999"], "999 canonical components"),
        ("infomae", ["method_options.masking.block=[1, 2]"], "blocks of 1 patch over time"),
        ("infomae", ["method_options.masking.ratio=0.99"], "hid"),
    ],
)
@pytest.mark.usefixtures("nothing_is_trained")
def test_what_a_method_refuses_is_refused_before_anything_is_written(
    corpus: Corpus, tmp_path: Path, method: str, told: list[str], match: str, pretrained: bool
) -> None:
    sources = dict.fromkeys(training_pairs(corpus, config()).names, corpus) if pretrained else {}
    _refusal(corpus, tmp_path, match, *told, method=method, unimodal=sources)


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ("stage1.method_options={ratio: 2}", "ratio"),
        ("stage1.encoder.options={nonsense: 1}", "nonsense"),
        ("stage1.data.window_s=4", "stage1.data.window_s=4, but the alignment of one has 2"),
        ("stage1.data.placement=stretch", "stage1.data.placement=stretch"),
        ("stage1.data.modality=two", "stage1.data.modality=two"),
        ("stage1.data.hold_out=[nobody]", "no corpus to pretrain on has nobody"),
    ],
)
@pytest.mark.usefixtures("nothing_is_trained")
def test_stage_1_is_refused_what_does_not_fit_stage_2(corpus: Corpus, tmp_path: Path, told: str, match: str) -> None:
    _refusal(corpus, tmp_path, match, told, unimodal={"one": corpus, "two": corpus})


def test_stage_1_may_be_told_what_is_so_anyway(corpus: Corpus) -> None:
    told = config("infomae", "stage1.data.window_s=2", "stage1.data.modality=one", "stage1.data.placement=grid")
    pairs = training_pairs(corpus, told)
    assert stage1_config(told, "one", corpus, pairs) == stage1_config(config(), "one", corpus, pairs)


def test_stage_1_holds_out_what_it_is_told_and_what_stage_2_holds_out(corpus: Corpus) -> None:
    a, b, c, _ = corpus.subjects
    told = config("infomae", f"pairs.hold_out=[{b}]", f"stage1.data.hold_out=[{c}, {a}]")
    made = stage1_config(told, "one", corpus, training_pairs(corpus, told))
    assert made.data.hold_out == (a, b, c)


def test_people_are_held_out_of_stage_1_by_whatever_name_they_have_there(corpus: Corpus) -> None:
    """A union calls people by other names, and they are the same people."""
    held = corpus.subjects[1]
    told = config("infomae", f"pairs.hold_out=[{held}]")
    named = union([corpus])
    assert held not in named.subjects
    found = stage1_config(told, "one", named, training_pairs(corpus, told)).data.hold_out
    assert found == (named.subjects[corpus.subjects.index(held)],)


@pytest.mark.parametrize(("study", "held"), [("another", 0), ("world", 1)])
def test_people_of_another_study_are_not_held_out_for_their_name(
    corpus: Corpus, tmp_path: Path, study: str, held: int
) -> None:
    def of(made: Corpus, name: str) -> Corpus:
        return Corpus(made.path, [replace(r, dataset=name) for r in made.recordings], made.annotations)

    build(list(shared_private(2, 10, seed=2)), tmp_path, BuildConfig(quality=False, streams=True))
    told = config("infomae", f"pairs.hold_out=[{corpus.subjects[0]}]")
    pairs = training_pairs(of(corpus, "world"), told)
    other = of(Corpus.open(tmp_path), study)
    assert other.subjects[0] == corpus.subjects[0]
    assert stage1_config(told, "one", other, pairs).data.hold_out == corpus.subjects[:held]


@pytest.mark.parametrize("kind", ["run", "encoder"])
@pytest.mark.usefixtures("nothing_is_trained")
def test_an_encoder_that_has_seen_whom_is_held_out_is_refused(
    corpus: Corpus, first: dict[str, str], tmp_path: Path, kind: str
) -> None:
    known = corpus.subjects[2]
    source = first["two"] if kind == "run" else kl.load(first["two"])
    told = f"pairs.hold_out=[{corpus.subjects[0]}, {known}]"
    match = f"was pretrained on {known}, who are to be held out"
    _refusal(corpus, tmp_path, match, told, unimodal={"one": corpus, "two": source})


@pytest.mark.usefixtures("nothing_is_trained")
def test_moments_of_whom_is_held_out_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    held, pairs = corpus.subjects[0], training_pairs(corpus, config())
    _refusal(corpus, tmp_path, f"moments of {held}, who are", f"pairs.hold_out=[{held}]", pairs=pairs)


def test_the_share_of_moments_that_the_caller_chose_is_not_told(corpus: Corpus, tmp_path: Path) -> None:
    model = align(training_pairs(corpus, config()), tmp_path / "run", config("none"))
    assert "share_of_pairs" not in model.card


@pytest.mark.parametrize("what", ["model", "unimodal"])
@pytest.mark.usefixtures("nothing_is_trained")
def test_a_folder_that_holds_a_run_is_refused_before_stage_1(corpus: Corpus, tmp_path: Path, what: str) -> None:
    place = tmp_path / ("model" if what == "model" else "unimodal/two/model")
    place.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadOptionError, match="holds a run already"):
        align(corpus, tmp_path, config(), unimodal={"one": corpus, "two": corpus})
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_of_other_options_is_not_gone_on_with(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """It is refused before stage 1, though what it begins with is not known yet."""
    align(corpus, tmp_path, config("infomae", "train.steps=2"))
    request.getfixturevalue("nothing_is_trained")
    for told, sources in (("train.steps=3", {}), ("train.steps=2", {"one": corpus})):
        with pytest.raises(BadOptionError, match="belongs to another configuration"):
            align(corpus, tmp_path, config("infomae", told), unimodal=sources, resume=True)


class BegunError(Exception):
    """Ends a run where stage 2 begins."""


def begun(monkeypatch: pytest.MonkeyPatch, *args: Any, **given: Any) -> dict[str, Tensor]:
    """All tensors of a method at its first step."""
    found: dict[str, Tensor] = {}

    def stop(method: torch.nn.Module, *_: Any, **__: Any) -> None:
        found.update(method.state_dict())
        raise BegunError

    monkeypatch.setattr(aligning, "fit", stop)
    with pytest.raises(BegunError):
        align(*args, **given)
    return found


def test_check_22_only_heads_critics_and_adapters_are_new(
    corpus: Corpus, first: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spec check 22: encoders and decoders where stage 2 begins are those of stage 1, to the bit."""
    found = begun(monkeypatch, corpus, tmp_path / "run", config(), unimodal=first)
    kept: dict[str, Tensor] = {}
    for name, run in first.items():
        kept |= {f"encoder.{name}.base.{k}": v for k, v in kl.load(run).state_dict().items()}
        decoder = load_decoder(Path(run) / "model" / "decoder").state_dict()
        kept |= {f"decoders.{name}.{k}": v for k, v in decoder.items()}
    assert all(torch.equal(found[k], v) for k, v in kept.items())
    heads = tuple(f"encoder.{name}.head_{part}." for name in first for part in "uv")
    assert all(k.startswith((*heads, "critics.", "adapters.")) for k in found.keys() - kept.keys())


@pytest.mark.parametrize(("pretrained", "told"), [(True, "stage 1"), (False, "fresh")])
def test_the_card_tells_where_decoders_are_from(
    corpus: Corpus, first: dict[str, str], tmp_path: Path, pretrained: bool, told: str
) -> None:
    model = align(corpus, tmp_path / "run", config("infomae", "train.steps=1"), unimodal=first if pretrained else None)
    assert [model.of(name).card["unimodal"]["decoder"] for name in first] == [told, told]


def test_what_rebuilds_nothing_tells_of_no_decoder(corpus: Corpus, tmp_path: Path) -> None:
    model = align(corpus, tmp_path / "run", config("infonce", "train.steps=1"))
    assert "decoder" not in model.of("one").card["unimodal"]


def test_what_a_run_began_with_covers_its_decoder(corpus: Corpus, first: dict[str, str]) -> None:
    start = unimodal.start_of("one", first["one"], training_pairs(corpus, config()), config(), fitted=False)
    assert start.decoder is not None
    before = start.hash
    with torch.no_grad():
        next(start.decoder.parameters()).add_(1)
    assert start.hash != before


def test_an_encoder_of_the_caller_stays_as_it_is(corpus: Corpus, first: dict[str, str], tmp_path: Path) -> None:
    mine = kl.load(first["one"])
    before, needed = {k: v.clone() for k, v in mine.state_dict().items()}, [p.requires_grad for p in mine.parameters()]
    told = config("infomae", "train.steps=1", "method_options.freeze_encoder=true")
    align(corpus, tmp_path / "frozen", told, unimodal={"one": mine})
    align(corpus, tmp_path / "moved", config("cmc", "train.steps=1"), unimodal={"one": mine})
    assert same(before, mine.state_dict())
    assert [p.requires_grad for p in mine.parameters()] == needed


def test_an_encoder_that_was_frozen_is_aligned_all_the_same(
    corpus: Corpus, first: dict[str, str], tmp_path: Path
) -> None:
    mine = kl.load(first["one"]).requires_grad_(False)
    model = align(corpus, tmp_path / "run", config("cmc", "train.steps=1"), unimodal={"one": mine})
    assert not same(mine.state_dict(), model.of("one").base.state_dict())


def test_the_card_counts_sequences_that_are_near_each_other(corpus: Corpus, tmp_path: Path) -> None:
    pairs = training_pairs(corpus, config())
    few = pairs.select(np.arange(8))
    card = align(few, tmp_path / "run", config("infonce", "train.steps=1", "pairs.keep_out=0")).card
    assert (card["sequences"], card["neighbouring_sequences"]) == (2, 2)


def test_a_run_of_another_rate_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    names = training_pairs(corpus, config()).names
    wrong = kl.create_encoder("tf_vit", channels=3)
    with pytest.raises(kl.KineletError, match=r"rate_hz is 16\.0 but 50\.0"):
        align(corpus, tmp_path / "run", config(), unimodal={names[0]: wrong})


def test_one_moment_a_clip_makes_sequences_of_one() -> None:
    assert config("infomae", "pairs.placement=stretch").pairs.length == 1
    with pytest.raises(BadOptionError, match="one moment a clip"):
        config("infomae", "pairs.placement=stretch", "pairs.length=2")


def test_what_does_not_fit_is_told_in_words_of_an_alignment(corpus: Corpus, tmp_path: Path) -> None:
    names = training_pairs(corpus, config()).names
    align(corpus, tmp_path / "first", config("none"))
    long = config("none", "pairs.window_s=4")
    with pytest.raises(kl.KineletError, match="windows of 2 s, the pairs are of 4 s"):
        align(corpus, tmp_path / "run", long, unimodal={names[0]: tmp_path / "first" / "model" / names[0]})
    _refusal(corpus, tmp_path, "neither a corpus nor a run", unimodal={names[0]: "corpora/knwn"})
    _refusal(corpus, tmp_path, "a batch of 4096 from", "stage1.train.batch_size=4096", unimodal={names[0]: corpus})
    _refusal(corpus, tmp_path, "People here", "pairs.hold_out=[nobody]")
    with pytest.raises(BadOptionError, match="holds a corpus"):
        align(corpus, corpus.path, config("none"))
