"""Who is compared on gait: encoders with their heads, and what needs no pretraining."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.baselines import fresh_like, small_encoder, untrained
from kinelet.evaluate.features import hand_crafted
from kinelet.evaluate.protocol import Protocol
from kinelet.evaluate.registry import get_protocol
from kinelet.evaluate.regression import Constant, RidgeProbe
from kinelet.evaluate.task import FloatArray
from kinelet.gait.config import GaitConfig
from kinelet.gait.estimators import DETECTED, AsIs, detected, person
from kinelet.gait.walks import Walks

Encoders = Mapping[str, Encoder | Sequence[Encoder]]


@dataclass(frozen=True)
class Contender:
    """What is compared.

    Attributes:
        name: For tables.
        draws: Vectors of the walks ``(bout, dim)``, one array a draw.
        heads: From the name of a target to the protocols that predict it from the vectors.
        encoders: Encoders behind the vectors.
        counted: Numbers of steps ``(bout,)``, where they are counted rather than told from cadence.
    """

    name: str
    draws: Sequence[FloatArray]
    heads: Callable[[str], Sequence[Protocol]]
    encoders: Sequence[Encoder] = ()
    counted: npt.NDArray[np.float64] | None = None


def ridge() -> RidgeProbe:
    """Ridge with stronger penalties to choose from too: there are fewer walks than columns."""
    return RidgeProbe(penalties=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0))


def contenders_of(encoders: Encoders, walks: Walks, config: GaitConfig) -> list[Contender]:
    """Encoders, then the baselines of the configuration, with their vectors of the walks.

    Raises:
        BadOptionError: if there is no such head or baseline.
        SpecMismatchError: if an encoder expects another signal than the walks have.
    """
    heads = [ridge() if name == "ridge" else get_protocol(name) for name in config.heads]
    out = []
    for name, given in encoders.items():
        group = [given] if isinstance(given, Encoder) else list(given)
        out.append(_embedded(name, group, walks, config, heads))
    makers: Mapping[str, Callable[[], Contender | None]] = {
        "constant": lambda: Contender("constant", [nothing(walks)], lambda _: [Constant()]),
        "person": lambda: _person(walks),
        "detector": lambda: _detector(walks),
        "detector_ridge": lambda: Contender("step detector's measures", [detected(walks)[0]], lambda _: [ridge()]),
        "hand": lambda: Contender("hand-crafted features", [_hand(walks, config)], lambda _: heads),
        "random": lambda: _random(encoders, walks, config, heads),
    }
    for baseline in config.baselines:
        if baseline not in makers:
            raise BadOptionError(f"no gait baseline is named {baseline!r}", remedy=f"Choose among: {', '.join(makers)}")
        made = makers[baseline]()
        out += [made] if made else []
    return out


def _embedded(
    name: str, encoders: Sequence[Encoder], walks: Walks, config: GaitConfig, heads: Sequence[Protocol]
) -> Contender:
    for encoder in encoders:
        encoder.spec.require(walks.spec, where=f"gait of {walks.name}")
    draws = [walks.aggregate(encoder.embed(walks.x), config.statistics) for encoder in encoders]
    return Contender(name, draws, lambda _: heads, encoders)


def _random(encoders: Encoders, walks: Walks, config: GaitConfig, heads: Sequence[Protocol]) -> Contender:
    given = next(iter(encoders.values()), None)
    model = given if isinstance(given, Encoder) or given is None else given[0]
    fresh = fresh_like(model) if model is not None else small_encoder
    return _embedded("random encoder", [untrained(fresh, walks.spec, config.seed)], walks, config, heads)


def _hand(walks: Walks, config: GaitConfig) -> FloatArray:
    return walks.aggregate(hand_crafted(walks.x, walks.spec).values, config.statistics)


def _person(walks: Walks) -> Contender | None:
    about = person(walks)
    return None if about is None else Contender("age, height, weight", [about], lambda _: [ridge()])


def _detector(walks: Walks) -> Contender:
    vectors, counted = detected(walks)

    def heads(target: str) -> list[Protocol]:
        return [AsIs(column=DETECTED.index(target))] if target in DETECTED else []

    return Contender("step detector", [vectors], heads, counted=counted)


def nothing(walks: Walks) -> FloatArray:
    """One column that tells nothing."""
    return np.zeros((len(walks.bouts), 1), dtype=np.float32)
