from __future__ import annotations

import numpy as np
import pytest
import torch

from evaluating import Stats, folds, silent, waves
from kinelet.errors import BadOptionError
from kinelet.evaluate.fine_tune import FineTune, make_trainer
from kinelet.evaluate.folds import hold_out_people
from kinelet.evaluate.run import evaluate
from kinelet.evaluate.task import Task

QUICK = FineTune(epochs=6, lr=0.01, head_lr=0.05, batch_size=32)
T = waves()


def test_swings_are_told_apart_on_new_people() -> None:
    assert evaluate(QUICK, Stats(), T, folds(T, 2)).estimates["macro_f1"].value > 0.9


def test_values_are_learnt_too() -> None:
    power = (T.x.astype(float) ** 2).mean(axis=(1, 2)) * 10 + 50
    t = Task(T.x, power, T.subject, T.subjects, T.spec)
    assert evaluate(QUICK, Stats(), t, folds(t, 2)).estimates["r"].value > 0.9


def test_the_encoder_that_was_passed_in_stays_as_it_was() -> None:
    encoder = Stats()
    QUICK.predict(T, T.x, encoder, silent)
    assert encoder.gain.item() == 1.0


def test_the_encoders_weights_are_trained() -> None:
    trainer = make_trainer(QUICK, Stats().requires_grad_(False), T)
    trainer.run(*hold_out_people(T, 0.3), silent)
    assert next(trainer.model.parameters()).item() != 1.0


def test_the_same_seed_gives_the_same_predictions() -> None:
    a, b = (QUICK.predict(T, T.x, Stats(), silent) for _ in range(2))
    assert np.array_equal(a, b)


def test_global_random_state_does_not_matter() -> None:
    a = QUICK.predict(T, T.x, Stats(), silent)
    torch.manual_seed(123)
    assert np.array_equal(a, QUICK.predict(T, T.x, Stats(), silent))


def test_people_held_out_for_stopping_are_not_trained_on() -> None:
    fit, held_out = hold_out_people(T, 0.3)
    assert not set(fit.people) & set(held_out.people)


def test_somebody_is_left_on_both_sides() -> None:
    t = T.take(T.rows(["P00", "P01"]))
    assert [len(part.people) for part in hold_out_people(t, 0.99)] == [1, 1]


def test_one_training_person_is_too_few() -> None:
    t = T.take(T.rows(["P00"]))
    with pytest.raises(BadOptionError, match="two training people"):
        QUICK.predict(t, t.x, Stats(), silent)


def test_training_stops_when_it_no_longer_helps() -> None:
    told: list[str] = []
    options = FineTune(epochs=60, patience=2, lr=0.05, head_lr=0.5, batch_size=32)
    options.predict(T, T.x, Stats(), told.append)
    assert len(told) < 60


def test_the_epoch_that_was_best_is_kept() -> None:
    losses: list[float] = []
    options = FineTune(epochs=15, patience=15, lr=0.3, head_lr=3.0, batch_size=32)
    fit, held_out = hold_out_people(T, 0.3)
    trainer = make_trainer(options, Stats(), fit)
    trainer.run(fit, held_out, lambda note: losses.append(float(note.rsplit(" ", 1)[1])))
    kept = trainer.loss(torch.from_numpy(trainer.scores(held_out.x)), held_out).item()
    assert kept == pytest.approx(min(losses), abs=1e-3)


def test_a_last_batch_of_one_window_is_no_difficulty() -> None:
    t = T.take(np.arange(65))
    options = FineTune(epochs=1, batch_size=16, held_out=0.3)
    assert options.predict(t, t.x[:2], Stats(), silent).shape == (1, 2)


def test_it_needs_an_encoder() -> None:
    with pytest.raises(BadOptionError, match="needs an encoder"):
        QUICK.predict(T, T.x, None, silent)


def test_the_head_is_as_wide_as_there_are_classes() -> None:
    widths = [m.out_features for m in make_trainer(QUICK, Stats(), T).model.modules() if isinstance(m, torch.nn.Linear)]
    assert widths == [len(T.classes)]


def test_a_hidden_layer_in_the_head_learns_as_well() -> None:
    options = QUICK.model_copy(update={"head_hidden": 16})
    assert evaluate(options, Stats(), T, folds(T, 2)).estimates["macro_f1"].value > 0.9


def test_encoder_and_head_have_rates_of_their_own() -> None:
    assert [g["lr"] for g in make_trainer(QUICK, Stats(), T).optimizer.param_groups] == [0.01, 0.05]
