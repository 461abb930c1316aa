"""MiniRocket features (Dempster et al., KDD 2021, arXiv 2012.08791) from aeon, an optional dependency."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinelet.errors import MissingExtraError
from kinelet.evaluate.run import Prepare
from kinelet.evaluate.task import FloatArray, Task

KERNELS = 2000


def minirocket(*, kernels: int = KERNELS, seed: int = 0) -> Prepare:
    """Return a preparation that draws kernels and biases from the training people's windows alone.

    Raises:
        MissingExtraError: if aeon is not installed.
    """
    kind = _transformer()

    def prepare(train: Task, x: FloatArray) -> tuple[Task, FloatArray]:
        transform = kind(n_kernels=kernels, random_state=seed, n_jobs=1)
        transform.fit(train.x)
        return train.with_x(_apply(transform, train.x)), _apply(transform, x)

    return prepare


def _apply(transform: Any, x: FloatArray) -> FloatArray:
    return np.asarray(transform.transform(x), dtype=np.float32)


def _transformer() -> Any:
    try:
        from aeon.transformations.collection.convolution_based import MiniRocket
    except ImportError as error:
        raise MissingExtraError(
            "the MiniRocket baseline needs aeon, which is not installed",
            where="baseline minirocket",
            remedy='Install it with: pip install "kinelet[baselines]"',
        ) from error
    return MiniRocket
