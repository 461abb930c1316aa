"""Encoders as scikit-learn transformers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array

from kinelet.deploy.embedding import embed
from kinelet.deploy.loading import load
from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.recording import Recording


class InputError(SpecMismatchError, ValueError):
    """Input of a wrong shape; a ``ValueError`` too, as scikit-learn's conventions ask."""


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Transform windows, or whole recordings, into an encoder's vectors.

    Nothing is learnt: ``fit`` loads the encoder and checks the input. Given a path, only the path is pickled or
    cloned, and the encoder is loaded again where it is needed.

    Args:
        encoder: Run directory, model folder, or an :class:`~kinelet.encoders.base.Encoder`.
        rate_hz: Rate of array input, which is resampled to the encoder's; ``None`` where it has the encoder's rate.
            Recordings know their own.
        batch_size: Windows per forward pass.
        step_s: Recordings: seconds from one window's start to the next. A recording's row is the mean of its
            valid windows.

    Attributes:
        encoder_: The loaded encoder.
        n_features_in_: Columns of two-dimensional input.
    """

    def __init__(
        self,
        encoder: str | Path | Encoder,
        rate_hz: float | None = None,
        batch_size: int = 512,
        step_s: float = 1.0,
    ) -> None:
        self.encoder = encoder
        self.rate_hz = rate_hz
        self.batch_size = batch_size
        self.step_s = step_s

    def fit(self, X: npt.ArrayLike | Sequence[Recording], y: object = None) -> Self:
        """Load the encoder and check the input.

        Args:
            X: Windows ``(n, channel, time)``; for an encoder of one channel also ``(n, time)``; or n recordings.
            y: Ignored.

        Raises:
            InputError: if the windows do not fit the encoder.
        """
        self.encoder_ = self._load()
        if not _are_recordings(X):
            windows = self._windows(X, reset=True)
            self.encoder_.check_input((len(windows), *self._resampled(windows[:1]).shape[1:]))
        return self

    def transform(self, X: npt.ArrayLike | Sequence[Recording]) -> npt.NDArray[np.float32]:
        """Embed each window, or each recording, into one row.

        Args:
            X: As for :meth:`fit`.

        Returns:
            float32 ``(n, dim)``.

        Raises:
            InputError: if the windows do not fit the encoder, or a recording has no valid window.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        if _are_recordings(X):
            return np.stack([self._one(rec) for rec in X])  # type: ignore[union-attr, arg-type]
        return self._encoder().embed(self._resampled(self._windows(X, reset=False)), self.batch_size)

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names ``embedder0``, ``embedder1``, … of the output columns."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return np.array([f"embedder{i}" for i in range(self._encoder().dim)], dtype=object)

    def _load(self) -> Encoder:
        return self.encoder if isinstance(self.encoder, Encoder) else load(self.encoder)

    def _encoder(self) -> Encoder:
        if self.encoder_ is None:
            self.encoder_ = self._load()
        encoder: Encoder = self.encoder_
        return encoder

    def _windows(self, X: npt.ArrayLike | Sequence[Recording], *, reset: bool) -> npt.NDArray[np.float32]:
        one_channel = len(self._encoder().spec.channels) == 1
        windows = check_array(X, dtype=np.float32, allow_nd=True, ensure_2d=True, input_name="X", estimator=self)
        if windows.ndim == 2 and one_channel:
            self._count(windows.shape[1], reset)
            return np.asarray(windows[:, None, :])
        if windows.ndim != 3:
            raise InputError(
                f"input has shape {windows.shape}, Expected 3 dimensions (n, channel, time)",
                where="Embedder",
                remedy="Reshape your data to windows, or give a list of Recordings",
            )
        return np.asarray(windows)

    def _count(self, columns: int, reset: bool) -> None:
        if reset:
            self.n_features_in_ = columns
        elif hasattr(self, "n_features_in_") and columns != self.n_features_in_:
            raise InputError(
                f"X has {columns} features, but Embedder is expecting {self.n_features_in_} features as input"
            )

    def _resampled(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        want = self._encoder().spec.rate_hz
        if self.rate_hz is None or self.rate_hz == want:
            return windows
        if not self.rate_hz > 0:
            raise BadOptionError(f"rate_hz is {self.rate_hz!r}", where="Embedder", remedy="Give samples per second")
        ratio = Fraction(want / self.rate_hz).limit_denominator(1000)
        # Repeating the edge keeps gravity from ringing at both ends of every window.
        return np.asarray(
            resample_poly(windows, ratio.numerator, ratio.denominator, axis=2, padtype="line"), dtype=np.float32
        )

    def _one(self, rec: Recording) -> npt.NDArray[np.float32]:
        found = embed(self._encoder(), rec, step_s=self.step_s, batch_size=self.batch_size)
        if not found.valid.any():
            raise InputError(
                f"no stretch without a gap is as long as a window ({found.window_s:g} s)",
                where=f"recording {rec.name!r}",
                remedy="Leave the recording out, or use an encoder of shorter windows",
            )
        return np.asarray(found.vectors[found.valid].mean(axis=0))

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "encoder_" in state and not isinstance(self.encoder, Encoder):
            state["encoder_"] = None
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.requires_fit = True
        return tags


def _are_recordings(X: object) -> bool:
    return isinstance(X, list | tuple) and len(X) > 0 and all(isinstance(item, Recording) for item in X)
