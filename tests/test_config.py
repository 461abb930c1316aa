"""Configuration: overrides, validation, and errors in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kinelet.config import MAX_YAML_BYTES, FrozenModel, Names, apply_overrides, dump_yaml, load_yaml, validate
from kinelet.errors import BadOptionError
from kinelet.train.config import TrainConfig

KEYS = st.text(alphabet="abcdefgh_", min_size=1, max_size=6)
VALUES = st.one_of(st.integers(-1000, 1000), st.booleans(), st.floats(-1e6, 1e6, allow_nan=False))


@given(path=st.lists(KEYS, min_size=1, max_size=4), value=VALUES)
def test_an_override_lands_at_its_path(path: list[str], value: object) -> None:
    out = apply_overrides({}, [f"{'.'.join(path)}={yaml.safe_dump(value).splitlines()[0]}"])
    for part in path[:-1]:
        out = out[part]
    assert out[path[-1]] == pytest.approx(value)


def test_overrides_leave_the_original_alone_and_keep_siblings() -> None:
    original = {"train": {"lr": 0.1, "steps": 5}}
    assert apply_overrides(original, ["train.lr=1e-3"]) == {"train": {"lr": 1e-3, "steps": 5}}
    assert original["train"]["lr"] == 0.1


def test_words_with_digits_stay_words() -> None:
    assert apply_overrides({}, ["name=resnet1d_34", "who=[s01, s02]"]) == {"name": "resnet1d_34", "who": ["s01", "s02"]}


@pytest.mark.parametrize("item", ["steps", "=3", "steps: 3"])
def test_an_override_without_a_key_is_refused(item: str) -> None:
    with pytest.raises(BadOptionError, match="key=value"):
        apply_overrides({}, [item])


def test_an_override_cannot_descend_into_a_value() -> None:
    with pytest.raises(BadOptionError, match=r"^a\.train\.lr=1: 'a\.train' holds a value, 3, .* a\.train\.KEY=VALUE"):
        apply_overrides({"a": {"train": 3}}, ["a.train.lr=1"])


def test_unknown_and_wrong_keys_are_named() -> None:
    with pytest.raises(BadOptionError, match=r"stepz.*lr|lr.*stepz"):
        validate(TrainConfig, {"stepz": 3, "lr": -1})


class Lists(FrozenModel):
    names: Names | None = None


@pytest.mark.parametrize(("given", "read"), [("a, b", ("a", "b")), (["a, b"], ("a, b",)), ("a", ("a",)), (None, None)])
def test_a_list_may_be_written_without_brackets(given: object, read: object) -> None:
    assert validate(Lists, {"names": given}).names == read


def test_a_batch_that_cannot_be_cut_is_refused() -> None:
    with pytest.raises(BadOptionError, match="not divisible"):
        validate(TrainConfig, {"batch_size": 10, "accumulate": 4})


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1, 2", "key: !!python/object/apply:os.getcwd []"])
def test_what_is_not_a_plain_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(BadOptionError, match=r"recipe\.yaml"):
        load_yaml(path)


def test_a_huge_recipe_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"a" * (MAX_YAML_BYTES + 1))
    with pytest.raises(BadOptionError, match="larger than"):
        load_yaml(path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="no such file"):
        load_yaml(tmp_path / "absent.yaml")


def test_a_dumped_configuration_reads_back(tmp_path: Path) -> None:
    config = TrainConfig(steps=7, lr=3e-4, ema=0.99)
    dump_yaml(config, tmp_path / "c.yaml")
    assert validate(TrainConfig, load_yaml(tmp_path / "c.yaml")) == config
