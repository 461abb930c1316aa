"""A random permutation that is computed, not stored: any position of any epoch, at once."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_ROUNDS = 8


def permuted(position: Ints, n: int, key: tuple[int, ...]) -> Ints:
    """Where positions ``0..n-1`` go under a random permutation of ``n`` numbers.

    The generalised Feistel construction of Black and Rogaway ("Ciphers with arbitrary finite domains", 2002): numbers
    are cells of a grid of about the square root of ``n`` rows and columns; in turn, rows are turned by an amount that
    depends on the column and columns by one that depends on the row; a cell beyond ``n`` is sent on until it comes
    back. Takes the same time and no memory however large ``n`` is, so that a run resumes in the middle of an epoch
    without drawing what came before.

    Args:
        position: Positions, shape ``(batch,)``, each in ``0..n-1``.
        n: Size of the permutation.
        key: Which permutation, for example ``(seed, epoch)``.

    Returns:
        Their images, shape ``(batch,)``, int64.
    """
    rows = math.isqrt(n - 1) + 1
    size = np.uint64(rows), np.uint64(-(-n // rows))
    keys = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64).astype(np.uint64)
    out = _network(np.asarray(position, dtype=np.uint64), size, keys)
    while len(outside := np.flatnonzero(out >= n)):
        out[outside] = _network(out[outside], size, keys)
    return out.astype(np.int64)


def _network(x: Words, size: tuple[np.uint64, np.uint64], keys: Words) -> Words:
    rows, columns = size
    row, column = np.divmod(x, columns)
    for a, b in keys.reshape(-1, 2):
        row = (row + _mixed(column + a) % rows) % rows
        column = (column + _mixed(row + b) % columns) % columns
    return np.asarray(row * columns + column, dtype=np.uint64)


def _mixed(x: Words) -> Words:
    # The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit moves every output bit.
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
