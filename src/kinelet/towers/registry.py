"""Every tower by name. Importing this module imports nothing heavy; :func:`open_tower` may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.towers.base import Tower


def _minilm() -> Tower:
    from kinelet.towers.minilm import MiniLM

    return MiniLM()


def _skeleton() -> Tower:
    from kinelet.towers.skeleton import SkeletonTower

    return SkeletonTower()


def _depth() -> Tower:
    from kinelet.towers.depth import DepthTower

    return DepthTower()


def _motion() -> Tower:
    from kinelet.towers.motion import MotionTower

    return MotionTower()


TOWERS: dict[str, Callable[[], Tower]] = {
    "minilm": _minilm,
    "skeleton": _skeleton,
    "depth": _depth,
    "motion": _motion,
}


def list_towers() -> tuple[str, ...]:
    """Names that :func:`open_tower` knows."""
    return tuple(TOWERS)


def register_tower(name: str, factory: Callable[[], Tower]) -> None:
    """Make a tower of your own known by name, so that zero-shot and search find it again.

    Args:
        name: What model cards call it; the tower's own ``name``.
        factory: Makes the tower; heavy imports belong inside it.

    Raises:
        BadOptionError: if the name is taken by another tower.
    """
    if TOWERS.get(name, factory) is not factory:
        raise BadOptionError(f"there is a tower named {name!r} already", remedy="Choose another name")
    TOWERS[name] = factory


def open_tower(name: str) -> Tower:
    """A tower by name. What it needs is loaded with the first items, not here.

    Raises:
        BadOptionError: if there is no tower of that name.
    """
    if name not in TOWERS:
        raise BadOptionError(
            f"no tower is named {name!r}",
            remedy=f"Choose one of: {', '.join(TOWERS)}; or register yours with kinelet.towers.register_tower",
        )
    return TOWERS[name]()
