"""A world of sensors in which it is known exactly what they share: Gaussian sources, mixed into windows.

Window t of modality i is ``x_i = g_i(a_i Phi_i s_t + b_i Psi_i w_it + sigma_i n_it)``: ``s`` is seen by all
modalities, ``w_i`` and the white noise ``n_i`` by one alone. The columns of ``[Phi_i, Psi_i]`` are orthonormal bursts,
``g_i`` can be undone and so takes no information away. From window to window the sources are AR(1) with unit variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kinelet.errors import BadOptionError

Floats = npt.NDArray[np.float64]
PerName = float | Mapping[str, float]
_RATES = {"one": 16.0, "two": 32.0}


@dataclass(frozen=True)
class World:
    """What is mixed how; the same seed is the same world, whatever is drawn in it.

    Attributes:
        rates: Modalities and their rates in Hz.
        window_s: Length of a window, in which each source has one value.
        channels: Of each modality.
        k: Shared sources.
        p: Private sources of each modality.
        a: How strong the shared sources are, for all modalities or by name.
        b: How strong the private ones are.
        sigma: Standard deviation of the noise along every direction of a window.
        floor: The noise outside the sources' bursts, as a share of ``sigma``. It tells nothing of anything, but hides
            the bursts; 1 is white.
        gain: Factor of all samples.
        filtered: Whether each window goes through a filter, circular and without zeros.
        nonlinear: Samples become ``sinh(nonlinear x) / nonlinear``; 0 leaves them.
        ar: Correlation of a source in consecutive windows.
        seed: Of the bursts.

    Raises:
        BadOptionError: if windows are too short for the sources, or a modality of ``a``, ``b``, … is missing.
    """

    rates: Mapping[str, float] = field(default_factory=lambda: dict(_RATES))
    window_s: float = 2.0
    channels: int = 1
    k: int = 2
    p: int = 2
    a: PerName = 1.0
    b: PerName = 1.0
    sigma: PerName = 0.5
    floor: float = 1.0
    gain: PerName = 1.0
    filtered: bool = False
    nonlinear: float = 0.0
    ar: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.names:
            if self.channels * self.samples(name) < self.k + self.p:
                raise BadOptionError(
                    f"windows of {name!r} hold {self.channels * self.samples(name)} values, fewer than the sources",
                    remedy="Use longer windows, a higher rate, or fewer sources",
                )
            for option in (self.a, self.b, self.sigma, self.gain):
                by_name(option, name)

    @property
    def names(self) -> tuple[str, ...]:
        """Modalities, in order."""
        return tuple(self.rates)

    def samples(self, name: str) -> int:
        """Samples in a window of a modality."""
        return round(self.window_s * self.rates[name])

    def bursts(self, name: str) -> tuple[Floats, Floats]:
        """Where shared and private sources lie in a window, ``(channels * time, k)`` and ``(channels * time, p)``."""
        basis = self._bases[name]
        return basis[:, : self.k], basis[:, self.k :]

    def filter_matrix(self, name: str) -> Floats:
        """The linear part of ``g``: gain and filter, ``(channels * time, channels * time)``."""
        one = np.eye(self.samples(name))
        if self.filtered:
            one = one + 0.5 * np.roll(one, 1, axis=0)
        return np.asarray(by_name(self.gain, name) * np.kron(np.eye(self.channels), one), dtype=np.float64)

    def mix(self, name: str, s: Floats, w: Floats, noise: Floats) -> Floats:
        """Windows of a modality.

        Args:
            name: Which.
            s: Shared sources ``(window, k)``.
            w: Its private sources ``(window, p)``.
            noise: White, ``(window, channels * time)``.

        Returns:
            ``(window, channels, time)``.
        """
        phi, psi = self.bursts(name)
        basis = self._bases[name]
        noise = self.floor * noise + (1 - self.floor) * (noise @ basis) @ basis.T
        clean = by_name(self.a, name) * s @ phi.T + by_name(self.b, name) * w @ psi.T
        x = (clean + by_name(self.sigma, name) * noise) @ self.filter_matrix(name).T
        if self.nonlinear:
            x = np.sinh(self.nonlinear * x) / self.nonlinear
        return x.reshape(len(x), self.channels, self.samples(name))

    def covariance(self, *names: str) -> Floats:
        """Of the windows of some modalities, one after the other, before the non-linear part of ``g``."""
        blocks = [[self._covariance(i, j) for j in names] for i in names]
        return np.asarray(np.block(blocks), dtype=np.float64)

    def information(self, one: str, two: str) -> float:
        """Exact information between windows of two modalities, in nats.

        ``-0.5 k ln(1 - rho^2)`` with ``rho = a1 a2 / sqrt((a1^2 + sigma1^2) (a2^2 + sigma2^2))``; private sources and
        what ``g`` does change nothing.
        """
        rho = 1.0
        for name in (one, two):
            rho *= by_name(self.a, name) / math.hypot(by_name(self.a, name), by_name(self.sigma, name))
        return -0.5 * self.k * math.log1p(-(rho**2))

    @cached_property
    def _bases(self) -> dict[str, Floats]:
        rng = np.random.default_rng([self.seed, 0])
        return {name: self._basis(self.samples(name), rng) for name in self.names}

    def _basis(self, samples: int, rng: np.random.Generator) -> Floats:
        """Bursts of a quarter of a window each, ``(channels * time, k + p)`` with orthonormal columns."""
        count = self.k + self.p
        time = (np.arange(samples) + 0.5) / samples
        centre = rng.uniform(0.25, 0.75, count)
        cycles = rng.uniform(1.0, max(1.5, samples / 4), count)
        phase = rng.uniform(0, 2 * np.pi, (self.channels, count))
        weight = rng.standard_normal((self.channels, count))
        hump = np.exp(-0.5 * ((time[:, None] - centre) / 0.2) ** 2)
        wave = np.cos(2 * np.pi * cycles * time[:, None, None] + phase)
        bursts = (hump[:, None] * wave * weight).transpose(1, 0, 2).reshape(-1, count)
        basis: Floats = np.linalg.qr(bursts)[0]
        return basis

    def _covariance(self, one: str, two: str) -> Floats:
        (phi1, psi), (phi2, _) = self.bursts(one), self.bursts(two)
        inner = by_name(self.a, one) * by_name(self.a, two) * phi1 @ phi2.T
        if one == two:
            basis, size = self._bases[one], self.channels * self.samples(one)
            noise = self.floor * np.eye(size) + (1 - self.floor) * basis @ basis.T
            inner = inner + by_name(self.b, one) ** 2 * psi @ psi.T
            inner = inner + by_name(self.sigma, one) ** 2 * noise @ noise.T
        covariance: Floats = self.filter_matrix(one) @ inner @ self.filter_matrix(two).T
        return covariance


def by_name(option: PerName, name: str) -> float:
    """Value of an option for a modality.

    Raises:
        BadOptionError: if it has none.
    """
    if not isinstance(option, Mapping):
        return float(option)
    if name not in option:
        raise BadOptionError(f"no value for modality {name!r}", remedy=f"It has {', '.join(option)}")
    return float(option[name])


def sources(rng: np.random.Generator, runs: int, length: int, count: int, ar: float) -> Floats:
    """AR(1) sources of unit variance, ``(runs, length, count)``; runs are independent."""
    drawn = rng.standard_normal((runs, length, count))
    for t in range(1, length):
        drawn[:, t] = ar * drawn[:, t - 1] + math.sqrt(1 - ar**2) * drawn[:, t]
    return drawn


def signs(z: Floats) -> npt.NDArray[np.int64]:
    """Class of each row ``(…, sources)`` by the signs of its first two sources: 0 to 3."""
    above = (z[..., :2] > 0).astype(np.int64)
    return np.asarray(above @ (2 ** np.arange(above.shape[-1])))
