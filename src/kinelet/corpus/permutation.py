"""A random permutation that is computed, not stored: any position of any epoch, at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_ROUNDS = 6


def permuted(position: Ints, n: int, key: tuple[int, ...]) -> Ints:
    """Where positions ``0..n-1`` go under a random permutation of ``n`` numbers.

    A balanced Feistel network over the next even power of two, walked until it comes back into range (Black and
    Rogaway, "Ciphers with arbitrary finite domains", 2002, cycle walking). Takes the same time and no memory however
    large ``n`` is, so that a run resumes in the middle of an epoch without drawing what came before.

    Args:
        position: Positions, shape ``(batch,)``, each in ``0..n-1``.
        n: Size of the permutation.
        key: Which permutation, for example ``(seed, epoch)``.

    Returns:
        Their images, shape ``(batch,)``, int64.
    """
    half = max(1, (max(n - 1, 1).bit_length() + 1) // 2)
    keys = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64).astype(np.uint64)
    out = np.asarray(position, dtype=np.uint64)
    out = _network(out, half, keys)
    while len(outside := np.flatnonzero(out >= n)):
        out[outside] = _network(out[outside], half, keys)
    return out.astype(np.int64)


def _network(x: npt.NDArray[np.uint64], half: int, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    width, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = x >> width, x & mask
    for key in keys:
        left, right = right, left ^ (_mixed(right + key) & mask)
    return (left << width) | right


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    # The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every input bit moves every output bit.
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
