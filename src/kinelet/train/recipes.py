"""Recipes that come with the package: what a method is trained with where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from kinelet.config import apply_overrides, load_yaml, validate
from kinelet.errors import BadOptionError
from kinelet.train.recipe import PretrainConfig


def list_recipes() -> tuple[str, ...]:
    """Names that :func:`recipe` knows beside paths."""
    return tuple(sorted(p.stem for p in _folder().glob("*.yaml")))


def recipe(name: str | Path | None, overrides: Iterable[str] = (), *, method: str | None = None) -> PretrainConfig:
    """Read a recipe.

    Args:
        name: Path of a YAML file, or name of one that comes with the package; ``None`` for the one named like the
            method, if there is one.
        overrides: ``key=value`` over it.
        method: The method, over the recipe's.

    Raises:
        BadOptionError: if there is no such recipe, or an option does not fit.
    """
    path = _path(name, method)
    told = [f"method={method}", *overrides] if method else list(overrides)
    given = apply_overrides(_read(path), told, short={"distance": "use"})
    return validate(PretrainConfig, given, where=str(name or "options"))


def title_of(name: str) -> str:
    """First sentence of the comment that a packaged recipe begins with."""
    lines = (_folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = " ".join(line[1:].strip() for line in lines[: next(i for i, x in enumerate(lines) if x[:1] != "#")])
    return comment.partition(": ")[0].partition(". ")[0].rstrip(".")


def _read(path: Path | None) -> dict[str, Any]:
    return load_yaml(path) if path else {}


def _path(name: str | Path | None, method: str | None) -> Path | None:
    if name is None:
        return _folder() / f"{method}.yaml" if method in list_recipes() else None
    if str(name) in list_recipes() and not Path(name).is_file():
        return _folder() / f"{name}.yaml"
    if not Path(name).is_file():
        raise BadOptionError(
            f"no recipe {str(name)!r}", remedy=f"Give a YAML file, or one of: {', '.join(list_recipes())}"
        )
    return Path(name)


def _folder() -> Path:
    return Path(str(resources.files("kinelet").joinpath("recipes")))
