"""What a protocol is: typed options and one function from training people's data to predictions.

Test labels never reach a protocol: it is handed the training part of a task and the test windows alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from kinelet.config import FrozenModel
from kinelet.encoders.base import Encoder
from kinelet.evaluate.task import FloatArray, Kind, Task

Say = Callable[[str], None]
"""Told in a few words what a protocol is doing, now and then."""

Predictions = npt.NDArray[Any]


class Protocol(FrozenModel, ABC):
    """Base of all protocols: frozen options, unknown ones are errors.

    Attributes:
        name: Name in the registry.
        kinds: Tasks that it can judge.
        inputs: ``vectors``: it sees embeddings ``(n, dim)``; ``windows``: it sees windows ``(n, channel, time)`` and
            the encoder itself.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = ("classes",)
    inputs: ClassVar[Literal["vectors", "windows"]] = "vectors"

    @abstractmethod
    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Learn from the training people and predict the test windows.

        Args:
            train: Training people's vectors or windows, with targets.
            x: Test vectors ``(m, dim)`` or windows ``(m, channel, time)``.
            encoder: The encoder, for protocols that see windows.
            say: Told now and then what is going on.

        Returns:
            ``(draw, m)`` codes or values; protocols without random draws have one.
        """

    def notes(self, train: Task) -> tuple[str, ...]:
        """Remarks for the report about what this training set could not give."""
        return ()


def one_draw(predictions: Predictions) -> Predictions:
    """Shape ``(m,)`` to ``(1, m)``."""
    return np.asarray(predictions)[None]
