"""Sentences for the labels of public data sets: a few ways to say each class, written for kinelet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from kinelet.config import load_yaml
from kinelet.errors import BadOptionError

FOLDER = Path(__file__).parent / "sentences"

Sentences = dict[str, tuple[str, ...]]


def list_sentences() -> tuple[str, ...]:
    """Data sets that :func:`sentences` knows."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def _of_set(name: str) -> Sentences:
    return read_sentences(FOLDER / f"{name}.yaml")


def sentences(name: str) -> Sentences:
    """Sentences of each label of a data set; the first names the class where there must be one.

    Raises:
        BadOptionError: if there are none for that set.
    """
    if name not in list_sentences():
        raise BadOptionError(
            f"no sentences for {name!r}",
            remedy=_choices(),
        )
    return dict(_of_set(name))


def _choices() -> str:
    return f"There are for: {', '.join(list_sentences())}; or write a YAML file of label: [sentence, …]"


def read_sentences(path: str | Path) -> Sentences:
    """Read a YAML file of ``label: [sentence, …]``; one sentence may stand without a list.

    Raises:
        BadOptionError: if it is absent or not of that form, a label is there twice, or has no sentence, or the same one
            twice.
    """
    return {str(label): _checked(label, value, str(path)) for label, value in _mapping(path).items()}


def _mapping(path: str | Path) -> Mapping[str, object]:
    if not Path(path).is_file():
        raise BadOptionError("no such file of sentences, and no set of that name", where=str(path), remedy=_choices())
    found = load_yaml(path)
    if not found:
        raise BadOptionError("holds no sentences", where=str(path), remedy="Write label: [sentence, …]")
    _refuse_twice(Path(path))
    return found


def _refuse_twice(path: Path) -> None:
    """A mapping keeps the last of several equal keys, and would drop the sentences of the others without a word."""
    import yaml

    node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    keys = Counter(key.value for key, _ in node.value) if node is not None else Counter[str]()
    twice = [key for key, count in keys.items() if count > 1]
    if twice:
        remedy = "Put all sentences of a label into one list"
        raise BadOptionError(f"label {twice[0]!r} is there {keys[twice[0]]} times", where=str(path), remedy=remedy)


def _checked(label: object, value: object, where: str) -> tuple[str, ...]:
    said = [value] if isinstance(value, str) else value
    if not isinstance(said, list) or not said or not all(isinstance(s, str) and s.strip() for s in said):
        raise BadOptionError(
            f"label {label!r} has no list of sentences", where=where, remedy="Write label: [sentence, …]"
        )
    if len({s.strip().lower() for s in said}) != len(said):
        raise BadOptionError(f"label {label!r} has the same sentence twice", where=where, remedy="Leave one out")
    return tuple(s.strip() for s in said)
