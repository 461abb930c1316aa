"""``kinelet list``: names that can be used, with what they are."""

from __future__ import annotations

import pytest

import kinelet as kl
from cli_tools import done

KINDS = {
    "encoders": kl.list_encoders,
    "methods": kl.list_methods,
    "datasets": kl.list_datasets,
    "protocols": lambda: (*kl.list_protocols(), "gait", "modality_probe", "retrieval"),
    "readers": kl.list_readers,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_names_are_those_of_the_library(kind: str) -> None:
    assert list(done("list", kind, "--json").document[kind]) == list(KINDS[kind]())


def test_what_a_corpus_protocol_judges_is_told() -> None:
    listed = done("list", "protocols", "--json").document["protocols"]
    assert "(for bouts" in listed["gait"] and "(for modalities" in listed["retrieval"]


def test_everything_is_listed_at_once() -> None:
    assert set(done("list", "--json").document) == {*KINDS, "baselines", "recipes"}


def test_each_name_is_explained() -> None:
    listed = done("list", "--json").document
    assert all(len(told) > 5 for members in listed.values() for told in members.values())


def test_a_person_sees_name_and_explanation_on_one_line() -> None:
    shown = done("list", "encoders").out.splitlines()
    assert any(line.split()[0] == "resnet1d_34" and "3,635,840 parameters with 3 channels" in line for line in shown)
