"""Units of acceleration and angular rate, and conversion between them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kinelet.errors import SpecMismatchError

STANDARD_GRAVITY = 9.80665
"""Metres per second squared in one g (CGPM 1901)."""

# Unit -> (quantity, how many base units it is); the base units are g and rad/s.
_UNITS: dict[str, tuple[str, float]] = {
    "g": ("acceleration", 1.0),
    "mg": ("acceleration", 1e-3),
    "m/s^2": ("acceleration", 1.0 / STANDARD_GRAVITY),
    "rad/s": ("angular rate", 1.0),
    "deg/s": ("angular rate", math.pi / 180.0),
}
_SPELLINGS = {
    "m/s2": "m/s^2",
    "m/s²": "m/s^2",
    "m/s/s": "m/s^2",
    "ms^-2": "m/s^2",
    "°/s": "deg/s",
    "dps": "deg/s",
}


def canonical_unit(unit: str) -> str:
    """Return the one spelling of a known unit; unknown units come back as they are.

    >>> canonical_unit("m/s²")
    'm/s^2'
    """
    return _SPELLINGS.get(unit.strip(), unit.strip())


def quantity(unit: str) -> str | None:
    """What a unit measures, ``acceleration`` or ``angular rate``; ``None`` for unknown units.

    >>> quantity("deg/s")
    'angular rate'
    """
    known = _UNITS.get(canonical_unit(unit))
    return known[0] if known else None


def unit_factor(from_unit: str, to_unit: str) -> float:
    """Number that values in ``from_unit`` are multiplied by to be in ``to_unit``.

    >>> round(unit_factor("g", "m/s^2"), 5)
    9.80665

    Raises:
        SpecMismatchError: A unit is unknown, or the two measure different quantities.
    """
    a, b = canonical_unit(from_unit), canonical_unit(to_unit)
    if a == b:
        return 1.0
    for unit in (a, b):
        if unit not in _UNITS:
            raise SpecMismatchError(
                f"unit {unit!r} is not known", remedy=f"Known units: {', '.join(_UNITS)}; scale other units yourself"
            )
    (quantity_a, scale_a), (quantity_b, scale_b) = _UNITS[a], _UNITS[b]
    if quantity_a != quantity_b:
        raise SpecMismatchError(
            f"{a!r} is {quantity_a} but {b!r} is {quantity_b}", remedy="Check the units of both sides"
        )
    return scale_a / scale_b


def convert(data: npt.ArrayLike, from_unit: str, to_unit: str) -> npt.NDArray[np.float32]:
    """Convert samples from one unit to another.

    Args:
        data: Samples, any shape.
        from_unit: Unit of ``data``: ``g``, ``mg``, ``m/s^2``, ``rad/s`` or ``deg/s``.
        to_unit: Unit wanted, of the same quantity.

    Returns:
        The samples in ``to_unit``, float32, same shape.

    Raises:
        SpecMismatchError: A unit is unknown, or the two measure different quantities.
    """
    factor = unit_factor(from_unit, to_unit)
    values = np.asarray(data)
    return (values * factor).astype(np.float32) if factor != 1.0 else values.astype(np.float32)
