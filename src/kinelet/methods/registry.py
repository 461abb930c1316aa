"""Every method by name. Importing this module does not import torch; :func:`get_method` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kinelet.errors import BadOptionError

if TYPE_CHECKING:
    from kinelet.methods.base import Method, MethodConfig

Pair = tuple["type[Method]", "type[MethodConfig]"]


@dataclass(frozen=True)
class MethodInfo:
    """Facts about a method.

    Attributes:
        name: Registry name.
        title: One line for tables.
        paper: Where it comes from.
        load: Imports it and returns its class and its configuration's class.
        keeps: What its run leaves: an ``encoder``, a ``distance`` between windows, or ``aligned`` encoders of several
            modalities, which ``kinelet align`` trains on pairs.
    """

    name: str
    title: str
    paper: str
    load: Callable[[], Pair]
    keeps: Literal["encoder", "distance", "aligned"] = "encoder"


def _simclr() -> Pair:
    from kinelet.methods.simclr import SimCLR, SimCLRConfig

    return SimCLR, SimCLRConfig


def _masked() -> Pair:
    from kinelet.methods.masked import Masked, MaskedConfig

    return Masked, MaskedConfig


def _mae() -> Pair:
    from kinelet.methods.mae import MAE, MAEConfig

    return MAE, MAEConfig


def _mtl() -> Pair:
    from kinelet.methods.mtl import MTL, MTLConfig

    return MTL, MTLConfig


def _relcon() -> Pair:
    from kinelet.methods.relcon import RelCon, RelConConfig

    return RelCon, RelConConfig


def _rebar() -> Pair:
    from kinelet.methods.rebar import Rebar, RebarConfig

    return Rebar, RebarConfig


def _motif() -> Pair:
    from kinelet.methods.motif import Motif, MotifMethodConfig

    return Motif, MotifMethodConfig


def _primus() -> Pair:
    from kinelet.methods.primus import Primus, PrimusConfig

    return Primus, PrimusConfig


def _imu2clip() -> Pair:
    from kinelet.methods.primus import Imu2ClipConfig, Primus

    return Primus, Imu2ClipConfig


def _slip() -> Pair:
    from kinelet.methods.primus import Primus, SlipConfig

    return Primus, SlipConfig


def _infonce() -> Pair:
    from kinelet.methods.cross_modal import CrossModal, InfoNCEConfig

    return CrossModal, InfoNCEConfig


def _cmc() -> Pair:
    from kinelet.methods.cross_modal import CMCConfig, CrossModal

    return CrossModal, CMCConfig


def _gmc() -> Pair:
    from kinelet.methods.gmc import GMC, GMCConfig

    return GMC, GMCConfig


def _joint_mae() -> Pair:
    from kinelet.methods.joint_mae import JointMAE, JointMAEConfig

    return JointMAE, JointMAEConfig


def _focal() -> Pair:
    from kinelet.methods.focal import Focal, FocalConfig

    return Focal, FocalConfig


def _infomae() -> Pair:
    from kinelet.methods.infomae import InfoMAE, InfoMAEConfig

    return InfoMAE, InfoMAEConfig


def _none() -> Pair:
    from kinelet.methods.linear_alignment import LinearConfig, NoAlignment

    return NoAlignment, LinearConfig


def _cca() -> Pair:
    from kinelet.methods.linear_alignment import CCA, CCAConfig

    return CCA, CCAConfig


def _procrustes() -> Pair:
    from kinelet.methods.linear_alignment import LinearConfig, Procrustes

    return Procrustes, LinearConfig


_RECORDS = (
    MethodInfo("simclr", "two views of a window attract, others repel", "Chen et al. 2020, arXiv 2002.05709", _simclr),
    MethodInfo("masked", "hide spans of time and fill them in", "He et al. 2022, arXiv 2111.06377", _masked),
    MethodInfo("mae", "hide patches of an image and rebuild them from a code", "arXiv 2504.09707, stage 1", _mae),
    MethodInfo("mtl", "tell which of three transforms were applied", "Yuan et al. 2024, arXiv 2206.02909", _mtl),
    MethodInfo("relcon", "similarities have the order of a distance", "Xu et al. 2024, arXiv 2411.18822", _relcon),
    MethodInfo("rebar", "the nearest candidate attracts, the rest repel", "Xu et al. 2024, arXiv 2311.00519", _rebar),
    MethodInfo(
        "motif", "rebuild a window from its augmented copy", "Xu et al. 2024, arXiv 2411.18822", _motif, "distance"
    ),
    MethodInfo("primus", "copies, pairs and neighbours' pairs attract", "Das et al. 2025, arXiv 2411.15127", _primus),
    MethodInfo("imu2clip", "motion attracts what is paired with it", "Moon et al. 2022, arXiv 2210.14395", _imu2clip),
    MethodInfo("slip", "copies and pairs attract", "Mu et al. 2021, arXiv 2112.12750", _slip),
    MethodInfo("infomae", "what is shared, apart from the rest", "arXiv 2504.09707", _infomae, "aligned"),
    MethodInfo(
        "infonce", "heads of frozen encoders agree", "van den Oord et al. 2018, arXiv 1807.03748", _infonce, "aligned"
    ),
    MethodInfo("cmc", "encoders of several modalities agree", "Tian et al. 2019, arXiv 1906.05849", _cmc, "aligned"),
    MethodInfo("gmc", "each modality agrees with all", "Poklukar et al. 2022, arXiv 2202.03390", _gmc, "aligned"),
    MethodInfo(
        "focal", "shared parts agree, private ones differ", "Liu et al. 2023, arXiv 2310.20071", _focal, "aligned"
    ),
    MethodInfo(
        "joint_mae", "all modalities rebuilt from the codes of all", "MultiMAE, arXiv 2204.01678", _joint_mae, "aligned"
    ),
    MethodInfo("none", "encoders side by side, as they are", "baseline of arXiv 2504.09707", _none, "aligned"),
    MethodInfo("cca", "linear maps that correlate most", "Hotelling 1936, Biometrika 28", _cca, "aligned"),
    MethodInfo("procrustes", "rotations onto each other", "Schönemann 1966, Psychometrika 31", _procrustes, "aligned"),
)
METHODS: dict[str, MethodInfo] = {record.name: record for record in _RECORDS}


def list_methods() -> tuple[str, ...]:
    """Names that :func:`get_method` knows."""
    return tuple(METHODS)


def method_info(name: str) -> MethodInfo:
    """Facts about a method.

    Raises:
        BadOptionError: if there is no method of that name.
    """
    if name not in METHODS:
        raise BadOptionError(f"no method is named {name!r}", remedy=f"Choose one of: {', '.join(METHODS)}")
    return METHODS[name]


def get_method(name: str) -> Pair:
    """Class of a method and class of its configuration.

    Raises:
        BadOptionError: if there is no method of that name.
    """
    return method_info(name).load()


def default_config(name: str) -> dict[str, Any]:
    """A method's configuration in plain data, all values at their defaults.

    Raises:
        BadOptionError: if there is no method of that name.
    """
    return get_method(name)[1]().model_dump(mode="json")
