"""Alignment in closed form: linear maps of vectors of several modalities into one space, from pairs alone.

Vectors come as ``{name: (pair, dim)}`` with ``present (pair, modality)``, columns in the order of the names; what an
absent row holds is not looked at. All is computed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kinelet.errors import BadOptionError

# Variance below this share of the largest is rounding, not signal.
_RANK = 1e-12
_SWEEPS = 100


@dataclass(frozen=True)
class Affine:
    """The map ``z -> (z - mean) @ weight``.

    Attributes:
        mean: ``(dim,)``.
        weight: ``(dim, width)``.
    """

    mean: Tensor
    weight: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Map vectors ``(row, dim)`` to ``(row, width)``."""
        return (z.double() - self.mean) @ self.weight


def centred(codes: Mapping[str, Tensor], present: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Means ``(dim,)`` over present rows, and vectors without them, exactly 0 where absent.

    Raises:
        BadOptionError: if shapes do not fit, or fewer than two rows of a modality are present.
    """
    means, rest = {}, {}
    for (name, z), there in zip(codes.items(), _columns(codes, present), strict=True):
        if int(there.sum()) < 2:
            raise BadOptionError(f"{int(there.sum())} rows of {name!r} are there, alignment needs two or more")
        means[name] = z[there].double().mean(dim=0)
        rest[name] = torch.where(there[:, None], z.double() - means[name], 0.0)
    return means, rest


def principal(x: Tensor, width: int) -> Tensor:
    """Directions ``(dim, width)`` of the largest variance of centred rows ``(row, dim)``; zeros where there are none.

    The largest entry of each is positive, so that the same rows give the same directions.
    """
    value, vector = torch.linalg.eigh(x.T @ x)
    kept = (value > _RANK * value[-1].clamp(min=1e-300)).flip(0)[:width]
    return _padded(_signed(vector.flip(1)[:, :width]) * kept, width)


def residual(x: Tensor, weight: Tensor, width: int) -> Tensor:
    """Directions ``(dim, width)`` of what centred rows hold that ``x @ weight`` does not tell linearly.

    The map is of ``x`` itself: first what ``weight`` predicts is taken away, then principal components of the rest.
    """
    told = x @ weight
    rest = torch.eye(x.shape[1], dtype=x.dtype) - weight @ torch.linalg.lstsq(told, x, driver="gelsd").solution
    left = x @ rest
    # What rounding leaves of rows that are told completely is not to be blown up to components.
    scale = float(left.square().sum() / x.square().sum().clamp(min=1e-300))
    return rest @ principal(left, width) if scale > _RANK else x.new_zeros(x.shape[1], width)


def canonical(
    codes: Mapping[str, Tensor], present: Tensor, components: int, ridge: float = 1e-3
) -> tuple[dict[str, Affine], Tensor]:
    """Ridge canonical correlation of two or more modalities.

    With two it is Hotelling's: pairs of directions of the largest correlation, of unit variance (but for the ridge).
    With more, directions whose mean explains the most of all of them (MAXVAR), which for two is the same. Covariances
    are over the rows that have both sides.

    Args:
        codes: Vectors of each modality.
        present: Which rows are there.
        components: Canonical directions, at most the smallest ``dim``.
        ridge: Added to the diagonal of each modality's covariance, as a share of its mean variance.

    Returns:
        The maps, and the correlation of each component, a mean over pairs of modalities, ``(components,)``.

    Raises:
        BadOptionError: if shapes do not fit, there are too many components, or a modality has fewer than two rows.

    Source: Hotelling 1936, Biometrika 28; for several sets Kettenring 1971, Biometrika 58 (MAXVAR).
    """
    means, x = centred(codes, present)
    smallest = min(z.shape[1] for z in x.values())
    if not 0 < components <= smallest:
        raise BadOptionError(f"{components} canonical components of vectors of {smallest}")
    names, there = list(codes), dict(zip(codes, _columns(codes, present), strict=True))
    white = {name: _whitening(_covariance(x, there, name, name), ridge) for name in names}

    def block(a: str, b: str) -> Tensor:
        if a == b:
            return torch.eye(x[a].shape[1], dtype=torch.float64)
        return white[a] @ _covariance(x, there, a, b) @ white[b]

    whole = torch.cat([torch.cat([block(a, b) for b in names], dim=1) for a in names])
    top = _signed(torch.linalg.eigh(whole).eigenvectors.flip(1)[:, :components])
    parts = torch.split(top, [x[name].shape[1] for name in names])
    maps = {n: Affine(means[n], len(names) ** 0.5 * white[n] @ part) for n, part in zip(names, parts, strict=True)}
    return maps, agreement({name: maps[name](codes[name]) for name in names}, present)


def agreement(u: Mapping[str, Tensor], present: Tensor) -> Tensor:
    """Correlation of each column between modalities ``(width,)``: a mean over pairs of them that share rows.

    A column that does not vary correlates with nothing, by 0.
    """
    columns, names, found = _columns(u, present), list(u), []
    for i, a in enumerate(names):
        for j in range(i):
            both = columns[i] & columns[j]
            if int(both.sum()) > 1:
                p, q = (z[both].double() - z[both].double().mean(dim=0) for z in (u[a], u[names[j]]))
                scale = (p.square().sum(dim=0) * q.square().sum(dim=0)).sqrt()
                found.append((p * q).sum(dim=0) / scale.clamp(min=1e-300))
    return torch.stack(found).mean(dim=0) if found else torch.zeros(u[names[0]].shape[1], dtype=torch.float64)


def rotation(z1: Tensor, z2: Tensor) -> Tensor:
    """Orthogonal ``W`` that brings ``z1 @ W`` closest to ``z2``, both ``(pair, dim)`` and of equal width or not.

    ``W = P Q'`` from the singular value decomposition ``z1' z2 = P S Q'``.

    Source: Schönemann 1966, Psychometrika 31.
    """
    return _polar(z1.double().T @ z2.double())


def procrustes(codes: Mapping[str, Tensor], present: Tensor, width: int) -> dict[str, Affine]:
    """Rotate centred vectors of equal overall scale onto each other, and keep the directions they vary most in.

    Modalities of fewer dimensions lie in a part of the space of the widest. With two, one rotation is the answer; with
    more, each is in turn rotated onto the sum of the others until nothing changes (generalised Procrustes). The
    common space is then turned to the principal axes of the mean, of which ``width`` are kept.

    Args:
        codes: Vectors of each modality.
        present: Which rows are there.
        width: Columns that are kept; those beyond the widest ``dim`` are 0.

    Raises:
        BadOptionError: if shapes do not fit, or a modality has fewer than two rows.

    Source: Schönemann 1966, Psychometrika 31; for several Gower 1975, Psychometrika 40.
    """
    means, x = centred(codes, present)
    there = dict(zip(codes, _columns(codes, present), strict=True))
    scale = {n: (z.square().sum() / there[n].sum()).sqrt().clamp(min=1e-300) for n, z in x.items()}
    y = {n: z / scale[n] for n, z in x.items()}
    turn = _rotations(y, there)
    count = torch.stack(list(there.values())).sum(dim=0).clamp(min=1)
    mean = torch.stack([y[n] @ turn[n] for n in y]).sum(dim=0) / count[:, None]
    axes = principal(mean, width)
    return {n: Affine(means[n], turn[n] @ axes / scale[n]) for n in codes}


def _rotations(y: dict[str, Tensor], there: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rotation ``(dim, widest)`` of each; the order of names does not matter."""
    first = min(y, key=lambda n: (-y[n].shape[1], n))
    turn = {first: torch.eye(y[first].shape[1], dtype=torch.float64)}
    others = sorted(n for n in y if n != first)
    cross = {(a, b): _covariance(y, there, a, b) for a in y for b in y if a != b}
    for name in others:
        turn[name] = _polar(cross[name, first])
    if len(others) < 2:
        return turn
    for _ in range(_SWEEPS):
        moved = 0.0
        for name in others:
            new = _polar(torch.stack([cross[name, b] @ turn[b] for b in sorted(y) if b != name]).sum(dim=0))
            moved = max(moved, float((new - turn[name]).abs().max()))
            turn[name] = new
        if moved < 1e-9:
            break
    return turn


def _columns(codes: Mapping[str, Tensor], present: Tensor) -> tuple[Tensor, ...]:
    rows = {len(z) for z in codes.values()}
    if rows != {len(present)} or present.shape[1:] != (len(codes),):
        raise BadOptionError(
            f"present is {tuple(present.shape)}, vectors have {sorted(rows)} rows of {len(codes)} names"
        )
    return present.unbind(1)


def _covariance(x: Mapping[str, Tensor], there: Mapping[str, Tensor], a: str, b: str) -> Tensor:
    return x[a].T @ x[b] / (there[a] & there[b]).sum().clamp(min=1)


def _whitening(covariance: Tensor, ridge: float) -> Tensor:
    """Inverse square root of a covariance with its ridge; directions without variance stay 0."""
    value, vector = torch.linalg.eigh(covariance)
    value = value.clamp(min=0) + ridge * value.clamp(min=0).mean()
    kept = value > _RANK * value.max()
    white: Tensor = (vector * torch.where(kept, value.clamp(min=1e-300).rsqrt(), 0.0)) @ vector.T
    return white


def _polar(m: Tensor) -> Tensor:
    p, _, q = torch.linalg.svd(m, full_matrices=False)
    turn: Tensor = p @ q
    return turn


def _signed(vectors: Tensor) -> Tensor:
    largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    return vectors * torch.where(largest < 0, -1.0, 1.0)


def _padded(vectors: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(vectors, (0, width - vectors.shape[1]))
