"""Vectors compared by their direction alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TINY = 1e-12


def unit(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Vectors ``(…, dim)`` scaled to length 1 along the last axis; zero vectors stay zero, and NaN stays NaN.

    >>> unit([[3, 4], [0, 0]])
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float32)
    """
    x = np.asarray(vectors)
    length = np.sqrt(np.einsum("...i,...i->...", x, x, dtype=np.float64))[..., None]
    # Lengths in double precision, vectors never: there may be very many.
    out = np.empty(x.shape, dtype=np.float32)
    np.divide(x, np.maximum(length, TINY), out=out, casting="same_kind")
    return out
