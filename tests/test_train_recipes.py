"""Recipes that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.registry import get_method
from kinelet.train.recipe import PretrainConfig
from kinelet.train.recipes import list_recipes, recipe, title_of


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_fits_its_method_and_tells_what_it_is(name: str) -> None:
    made = recipe(name)
    validate(get_method(made.method)[1], made.method_options)
    if made.distance is not None:
        validate(get_method("motif")[1], made.distance.method_options)
    assert 10 < len(title_of(name)) < 120


def test_a_method_is_trained_by_the_recipe_of_its_name() -> None:
    assert recipe(None, method="relcon") == recipe("relcon")
    assert recipe(None, method="simclr") == PretrainConfig(method="simclr")


def test_options_go_over_the_recipe() -> None:
    made = recipe(None, ["train.steps=7", "distance=euclid"], method="relcon")
    assert made.train.steps == 7 and made.distance is not None and made.distance.use == "euclid"
    assert made.method_options == recipe("relcon").method_options


def test_an_option_below_a_distance_that_is_a_name_says_how_both_are_written() -> None:
    told = r"^distance\.options\.x=1: 'distance' holds a value, 'dtw', not keys\. Write distance\.use=dtw instead of"
    with pytest.raises(BadOptionError, match=told):
        recipe(None, ["distance=dtw", "distance.options.x=1"], method="simclr")


def test_the_reference_keeps_the_published_settings() -> None:
    made = recipe("relcon_reference")
    options = validate(get_method("relcon")[1], made.method_options)
    assert (made.encoder.name, made.train.lr, made.train.batch_size) == ("resnet1d_34", 1e-6, 64)
    assert (options.candidates, options.temperature, options.two_pass, options.within) == (20, 0.1, True, "hour")
    assert not options.augmentations and options.projector is None and not options.own_view
    assert made.distance is not None and made.distance.options == {"attention": "softmax"}
    assert made.distance.method_options["network"] == {"attention": "sparsemax"}


def test_the_reference_of_primus_keeps_the_published_settings() -> None:
    made = recipe("primus_reference")
    options = validate(get_method("primus")[1], made.method_options)
    loop = made.train
    assert (loop.optimizer, loop.lr, loop.batch_size, loop.weight_decay, loop.clip) == ("adam", 2e-4, 16, 0.0, None)
    assert (loop.schedule, loop.warmup, loop.precision, made.data.window_s) == ("constant", 0, "fp32", 5.0)
    assert (options.lam, options.w_nn, options.temperature, options.queue, options.exclude_s) == (
        0.5,
        1,
        0.1,
        8192,
        None,
    )
    assert (options.same_item, options.overlap) == ("negative", "negative")
    steps = [a.model_dump(include={"kind", "mode", "sigma", "segments", "p"}) for a in options.augmentations]
    scaled = {"kind": "scale", "mode": "per_step", "sigma": 0.25, "p": 1.0}
    assert steps == [scaled, {"kind": "permute", "segments": 5, "p": 1.0}]
    assert made.encoder.options == {"recurrence": "channels", "pool_steps": 32}


def test_recipes_of_primus_and_its_special_cases_differ_in_their_terms_alone() -> None:
    made = {name: recipe(name) for name in ("primus", "slip", "imu2clip")}
    options = {name: validate(get_method(m.method)[1], m.method_options) for name, m in made.items()}
    assert {name: (o.lam, o.w_nn) for name, o in options.items()} == {
        "primus": (0.5, 1),
        "slip": (0.5, 0),
        "imu2clip": (0, 0),
    }
    assert (
        len({(m.encoder.model_dump_json(), m.train.model_dump_json(), m.data.model_dump_json()) for m in made.values()})
        == 1
    )
    assert made["primus"].train.batch_size == 256 and made["primus"].encoder.options["recurrence"] == "time"


def test_a_file_is_a_recipe_too_and_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("train: {steps: 5}\n")
    assert recipe(tmp_path / "own.yaml", method="simclr").train.steps == 5
    with pytest.raises(BadOptionError, match=r"no recipe 'relkon'.*relcon_reference"):
        recipe("relkon")
