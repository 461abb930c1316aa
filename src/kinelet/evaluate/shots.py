"""Few-shot as PRIMUS is judged: N labelled windows a class, from as many training people as there are.

Das et al., "PRIMUS: Pretraining IMU Encoders with Multimodal Self-Supervision", arXiv 2411.15127, judge encoders by a
linear head on N windows a class. Here every encoder learns from the same windows, and the head is a penalised logistic
regression that starts from zero: its objective has one minimum, so no encoder can owe its score to a lucky or informed
first weight (a head that starts from the class sentences is a zero-shot classifier, which has a column of its own), and
there is no learning rate, number of epochs or batch that suits one encoder better than another.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from kinelet.encoders.base import Encoder
from kinelet.evaluate.logistic import Logistic, Scaler, fit_path
from kinelet.evaluate.spread import Shots, SpreadShots
from kinelet.evaluate.task import Codes, FloatArray, Task
from kinelet.vectors import unit

__all__ = ["PrimusFewShot", "Shots", "SpreadShots"]


class PrimusFewShot(SpreadShots):
    """A linear head on frozen vectors of length 1.

    Vectors are brought to length 1, then centred and scaled by one number, both measured on the draw: an offset or a
    scale common to all vectors, which encoders have in different measure, then changes nothing.

    Attributes:
        normalise: ``rows`` as said, or ``columns``: every feature standardised on the draw, for vectors that are a list
            of quantities in different units, such as hand-crafted features.
        strength: ``C`` of the logistic regression.
    """

    name: ClassVar[str] = "primus-few-shot"

    normalise: Literal["rows", "columns"] = "rows"
    strength: float = Field(default=10.0, gt=0)

    def learn(self, support: Task, x: FloatArray, encoder: Encoder | None, draw: int) -> Codes:
        """Fit the head to vectors of the draw, predict vectors ``(m, dim)``."""
        if self.normalise == "columns":
            scaler = Scaler.fit(support.x)
            return self._fit(scaler(support.x), support).predict(scaler(x))
        known = unit(support.x)
        centre = known.mean(axis=0)
        scale = np.float32(1 / max(float(np.sqrt(np.square(known - centre).sum(axis=1).mean())), 1e-6))
        return self._fit((known - centre) * scale, support).predict((unit(x) - centre) * scale)

    def _fit(self, x: FloatArray, support: Task) -> Logistic:
        (model,) = fit_path(x, support.y, len(support.classes), [self.strength], balanced=True)
        return model
