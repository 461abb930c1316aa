"""Classes named by sentences: the right head, the right tower, nobody's labels, and results like any other's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kinelet.corpus.splits import Split, kfold
from kinelet.encoders.headed import HeadedEncoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like, untrained
from kinelet.evaluate.honesty import SeenSubjectError
from kinelet.evaluate.knn import KNN
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.run import evaluate
from kinelet.evaluate.task import Task
from kinelet.evaluate.zero_shot import ZeroShot
from words_tools import MEANING, aligned, town

SENTENCES = {label: (text, f"{text}, plainly") for label, text in MEANING.items()}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, HeadedEncoder, ZeroShot]:
    corpus = town(tmp_path_factory.mktemp("town") / "town")
    encoder, tower = aligned()
    return (
        Task.from_windows(corpus.windows(2.0), name="town"),
        encoder,
        ZeroShot(sentences=SENTENCES).with_tower(tower),
    )


def test_sentences_name_windows_without_any_label(known: Any) -> None:
    task, encoder, protocol = known
    result = evaluate(protocol, encoder, task, kfold(task.people, 2))
    assert result.estimates["macro_f1"].value > 0.95
    assert len(result.row) == len(task)


def test_labels_of_the_training_people_take_no_part(known: Any) -> None:
    task, encoder, protocol = known
    turned = Task(**{**vars(task), "y": 1 - task.y})
    a, b = (evaluate(protocol, encoder, t, kfold(t.people, 2)).predicted for t in (task, turned))
    assert np.array_equal(a, b)


def test_the_head_of_the_text_is_used_whatever_the_output(known: Any) -> None:
    task, encoder, protocol = known
    a, b = (protocol.predict(task, task.x, encoder.select(o), lambda note: None) for o in ("mm", "backbone"))
    assert np.array_equal(a, b)


def test_it_is_the_largest_cosine_with_the_mean_sentence(known: Any) -> None:
    task, encoder, protocol = known
    vectors = encoder.select("mm").embed(task.x[:20])
    names = np.stack([protocol._tower(list(SENTENCES[c])) for c in task.classes]).astype(float)
    names /= np.linalg.norm(names, axis=2, keepdims=True)
    mean = names.mean(axis=1)
    cosine = [[float(v @ m / np.linalg.norm(v) / np.linalg.norm(m)) for m in mean] for v in vectors]
    assert np.array_equal(protocol.predict(task, task.x[:20], encoder, lambda note: None)[0], np.argmax(cosine, axis=1))


def test_the_first_sentence_alone_can_name_a_class() -> None:
    assert ZeroShot(sentences=SENTENCES, use="first").of_classes(("walk",)) == {"walk": SENTENCES["walk"][:1]}


def test_sentences_of_a_public_set_go_by_its_name() -> None:
    assert len(ZeroShot(sentences="utd_mhad").of_classes(("wave",))["wave"]) > 1


def test_sentences_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("walk: [on foot]\n")
    assert ZeroShot(sentences=str(tmp_path / "own.yaml")).of_classes(("walk",)) == {"walk": ("on foot",)}


def test_a_class_without_a_sentence_is_named() -> None:
    with pytest.raises(BadOptionError, match="no sentence for swim"):
        ZeroShot(sentences=SENTENCES).of_classes(("walk", "swim"))


def test_an_encoder_that_knows_no_words_is_refused(known: Any) -> None:
    task, encoder, protocol = known
    mute = encoder.select("mm")
    mute.card = {}
    with pytest.raises(BadOptionError, match="without text"):
        evaluate(protocol, mute, task, kfold(task.people, 2))


def test_seen_people_are_refused(known: Any) -> None:
    task, encoder, protocol = known
    knowing = encoder.select("mm")
    knowing.card["pretrain_subjects"] = sorted(task.identities[0])
    with pytest.raises(SeenSubjectError, match="P0"):
        evaluate(protocol, knowing, task, [Split(("P1",), ("P0",))])


def test_it_stands_beside_other_protocols_on_the_same_people(known: Any) -> None:
    task, encoder, protocol = known
    splits = kfold(task.people, 2)
    a, b = evaluate(protocol, encoder, task, splits), evaluate(KNN(), encoder, task, splits)
    assert a.difference(b, "macro_f1").n_subjects == 4


def test_an_untrained_network_of_the_same_kind_can_be_asked_the_same(known: Any) -> None:
    task, encoder, protocol = known
    stranger = untrained(fresh_like(encoder), task.spec, 3)
    assert evaluate(protocol, stranger, task, kfold(task.people, 2)).encoder == "headed"


def test_what_named_the_classes_is_told(known: Any) -> None:
    task, _, protocol = known
    assert protocol.notes(task) == ("zero-shot: 2 classes named by 2 sentences each, no label was learnt from",)


def test_options_survive_plain_data() -> None:
    protocol = ZeroShot(sentences=SENTENCES)
    assert get_protocol("zero-shot", **protocol.model_dump(mode="json")) == protocol
