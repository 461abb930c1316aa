"""Every protocol by name. Importing this module imports neither torch nor scikit-learn; :func:`get_protocol` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.evaluate.protocol import Protocol


@dataclass(frozen=True)
class ProtocolInfo:
    """Facts about a protocol.

    Attributes:
        name: Registry name.
        title: One line for tables.
        kinds: What it judges: ``classes``, ``values``.
        load: Imports it and returns its class.
    """

    name: str
    title: str
    kinds: tuple[str, ...]
    load: Callable[[], type[Protocol]]


def _linear_probe() -> type[Protocol]:
    from kinelet.evaluate.probe import LinearProbe

    return LinearProbe


def _knn() -> type[Protocol]:
    from kinelet.evaluate.knn import KNN

    return KNN


def _few_shot() -> type[Protocol]:
    from kinelet.evaluate.few_shot import FewShot

    return FewShot


def _primus_few_shot() -> type[Protocol]:
    from kinelet.evaluate.shots import PrimusFewShot

    return PrimusFewShot


def _primus_trained() -> type[Protocol]:
    from kinelet.evaluate.shots_trained import TrainedShots

    return TrainedShots


def _zero_shot() -> type[Protocol]:
    from kinelet.evaluate.zero_shot import ZeroShot

    return ZeroShot


def _fine_tune() -> type[Protocol]:
    from kinelet.evaluate.fine_tune import FineTune

    return FineTune


def _mlp_probe() -> type[Protocol]:
    from kinelet.evaluate.mlp import MLPProbe

    return MLPProbe


def _ridge() -> type[Protocol]:
    from kinelet.evaluate.regression import RidgeProbe

    return RidgeProbe


def _constant() -> type[Protocol]:
    from kinelet.evaluate.regression import Constant

    return Constant


def _boosting() -> type[Protocol]:
    from kinelet.evaluate.boosting import Boosting

    return Boosting


def _relcon_linear() -> type[Protocol]:
    from kinelet.evaluate.relcon import RelConLinear

    return RelConLinear


def _relcon_mlp() -> type[Protocol]:
    from kinelet.evaluate.relcon import RelConMLP

    return RelConMLP


def _relcon_finetune() -> type[Protocol]:
    from kinelet.evaluate.relcon import RelConFineTune

    return RelConFineTune


_BOTH = ("classes", "values")
_RECORDS = (
    ProtocolInfo("linear_probe", "logistic regression on the frozen embedding", ("classes",), _linear_probe),
    ProtocolInfo("knn", "nearest neighbours by cosine", ("classes",), _knn),
    ProtocolInfo("few_shot", "a few labelled windows of a few people, many draws", ("classes",), _few_shot),
    ProtocolInfo("primus-few-shot", "N windows a class of as many people as there are", ("classes",), _primus_few_shot),
    ProtocolInfo("primus-few-shot-trained", "the same windows, all weights trained", ("classes",), _primus_trained),
    ProtocolInfo("zero-shot", "the class whose sentences lie nearest, no labels", ("classes",), _zero_shot),
    ProtocolInfo("fine_tune", "all weights trained, stopped on held-out training people", _BOTH, _fine_tune),
    ProtocolInfo("mlp_probe", "one hidden layer on the frozen embedding", _BOTH, _mlp_probe),
    ProtocolInfo("ridge", "ridge regression on the frozen embedding", _BOTH, _ridge),
    ProtocolInfo("boosting", "gradient-boosted trees on the vectors", _BOTH, _boosting),
    ProtocolInfo("relcon-linear", "published benchmark: linear, five folds of people", ("classes",), _relcon_linear),
    ProtocolInfo("relcon-mlp", "published benchmark: MLP probe, one person left out", ("classes",), _relcon_mlp),
    ProtocolInfo(
        "relcon-finetune", "published benchmark: fine-tuned, one person left out", ("classes",), _relcon_finetune
    ),
    ProtocolInfo("constant", "most frequent class or mean value of the training people", _BOTH, _constant),
)
PROTOCOLS: dict[str, ProtocolInfo] = {record.name: record for record in _RECORDS}
OF_A_CORPUS = {
    "gait": "numbers of whole walks against a reference (for bouts with foot events, steps or values)",
    "modality_probe": "every modality of aligned encoders alone and together (for runs of kinelet align)",
    "retrieval": "search both ways between motion and what it is paired with (for modalities of a corpus)",
}
"""What ``kinelet evaluate --protocol`` takes as well: these cut a corpus themselves and learn no label of a window."""


def list_protocols() -> tuple[str, ...]:
    """Names that :func:`get_protocol` knows."""
    return tuple(PROTOCOLS)


def protocol_info(name: str) -> ProtocolInfo:
    """Facts about a protocol.

    Raises:
        BadOptionError: if there is no protocol of that name, or it is one of :data:`OF_A_CORPUS`.
    """
    if name in OF_A_CORPUS:
        raise BadOptionError(
            f"the protocol {name!r} judges a run on a corpus, not labelled windows",
            remedy=f"Use kinelet evaluate --protocol {name}",
        )
    if name not in PROTOCOLS:
        raise BadOptionError(f"no protocol is named {name!r}", remedy=f"Choose one of: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def get_protocol(name: str, **options: object) -> Protocol:
    """Make a protocol.

    Raises:
        BadOptionError: if there is no such protocol or option.
    """
    from kinelet.config import validate

    return validate(protocol_info(name).load(), options, where=f"protocol {name}")
