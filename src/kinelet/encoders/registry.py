"""Every encoder by name: one factory and one record of facts each.

Importing this module does not import torch; building an encoder does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kinelet.config import validate
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import SignalSpec, imu_spec

if TYPE_CHECKING:
    from kinelet.encoders.base import Encoder

Factory = Callable[[SignalSpec, Mapping[str, object]], "Encoder"]
DEFAULT_RATE_HZ = 50.0


@dataclass(frozen=True)
class EncoderInfo:
    """Facts about an encoder in its default configuration, for three channels.

    Attributes:
        name: Registry name.
        title: One line for tables.
        parameters: Trainable parameters.
        dim: Width of the embedding.
        min_samples: Shortest window it takes.
        paper: Where it comes from.
        factory: Builds it from a spec and configuration keys.
        stated: Keys that a stored configuration must hold, since weights fit whatever their value is.
    """

    name: str
    title: str
    parameters: int
    dim: int
    min_samples: int
    paper: str
    factory: Factory
    stated: tuple[str, ...] = ()


def _resnet1d_34(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.resnet import ResNet1d34, ResNet1d34Config

    return ResNet1d34(spec, validate(ResNet1d34Config, options, where="encoder resnet1d_34"))


def _resnet1d_small(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.resnet import ResNet1dSmall, ResNet1dSmallConfig

    return ResNet1dSmall(spec, validate(ResNet1dSmallConfig, options, where="encoder resnet1d_small"))


def _patch_transformer(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.patch_transformer import PatchTransformer, PatchTransformerConfig

    return PatchTransformer(spec, validate(PatchTransformerConfig, options, where="encoder patch_transformer"))


def _stacked_rnn(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.stacked_rnn import StackedRNN, StackedRNNConfig

    return StackedRNN(spec, validate(StackedRNNConfig, options, where="encoder stacked_rnn"))


def _headed(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.headed import HeadedConfig, HeadedEncoder

    return HeadedEncoder(spec, validate(HeadedConfig, options, where="encoder headed"))


def _shared_private(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.shared_private import SharedPrivate, SharedPrivateConfig

    return SharedPrivate(spec, validate(SharedPrivateConfig, options, where="encoder shared_private"))


def _tf_vit(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.tf_vit import TFViT, TFViTConfig

    return TFViT(spec, validate(TFViTConfig, options, where="encoder tf_vit"))


def _swin(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.swin import Swin, SwinConfig

    return Swin(spec, validate(SwinConfig, options, where="encoder swin"))


def _conv_gru(spec: SignalSpec, options: Mapping[str, object]) -> Encoder:
    from kinelet.encoders.conv_gru import ConvGRU, ConvGRUConfig

    return ConvGRU(spec, validate(ConvGRUConfig, options, where="encoder conv_gru"))


_RECORDS = (
    EncoderInfo(
        "resnet1d_34",
        "RelCon's encoder: three stages of a pre-activation ResNet-34",
        parameters=3_635_840,
        dim=256,
        min_samples=11,
        paper="Xu et al. 2024, arXiv 2411.18822",
        factory=_resnet1d_34,
    ),
    EncoderInfo(
        "resnet1d_small",
        "small residual network with several pooled statistics, for laptops",
        parameters=176_864,
        dim=672,
        min_samples=16,
        paper="He et al. 2016, arXiv 1603.05027 (block)",
        factory=_resnet1d_small,
    ),
    EncoderInfo(
        "patch_transformer",
        "transformer over patches of time",
        parameters=797_312,
        dim=128,
        min_samples=10,
        paper="Dosovitskiy et al. 2021, arXiv 2010.11929, in one dimension",
        factory=_patch_transformer,
    ),
    EncoderInfo(
        "stacked_rnn",
        "PRIMUS's encoder: three convolutions and a GRU over sensors of three axes",
        parameters=849_926,
        dim=512,
        min_samples=123,
        paper="Das et al. 2025, arXiv 2411.15127",
        factory=_stacked_rnn,
        stated=("recurrence",),
    ),
    EncoderInfo(
        "tf_vit",
        "transformer over patches of a time-frequency image, hidden patches left out",
        parameters=209_024,
        dim=128,
        min_samples=24,
        paper="Dosovitskiy et al. 2021, arXiv 2010.11929; He et al. 2022, arXiv 2111.06377",
        factory=_tf_vit,
    ),
    EncoderInfo(
        "swin",
        "shifted windows of attention over patches of a time-frequency image, as InfoMAE was published",
        parameters=584_184,
        dim=128,
        min_samples=24,
        paper="Liu et al. 2021, arXiv 2103.14030; InfoMAE, arXiv 2504.09707",
        factory=_swin,
    ),
    EncoderInfo(
        "conv_gru",
        "convolutions over the spectrum of each interval and a GRU over intervals",
        parameters=162_115,
        dim=128,
        min_samples=24,
        paper="DeepSense, Yao et al. 2017, arXiv 1611.01942",
        factory=_conv_gru,
    ),
    EncoderInfo(
        "shared_private",
        "two heads on an encoder (tf_vit unless told): what other modalities know too, and what only this one knows",
        parameters=275_072,
        dim=256,
        min_samples=24,
        paper="arXiv 2504.09707 (InfoMAE)",
        factory=_shared_private,
        stated=("base", "base_config"),
    ),
    EncoderInfo(
        "headed",
        "linear heads on an encoder (stacked_rnn unless told), one of which gives the embedding",
        parameters=1_375_238,
        dim=512,
        min_samples=123,
        paper="Das et al. 2025, arXiv 2411.15127",
        factory=_headed,
        stated=("base", "base_config"),
    ),
)
ENCODERS: dict[str, EncoderInfo] = {record.name: record for record in _RECORDS}


def list_encoders() -> tuple[str, ...]:
    """Names that :func:`create_encoder` knows."""
    return tuple(ENCODERS)


def encoder_info(name: str) -> EncoderInfo:
    """Facts about an encoder.

    Raises:
        BadOptionError: if there is no encoder of that name.
    """
    if name not in ENCODERS:
        raise BadOptionError(f"no encoder is named {name!r}", remedy=f"Choose one of: {', '.join(ENCODERS)}")
    return ENCODERS[name]


def default_spec(channels: int = 3) -> SignalSpec:
    """Accelerometer (3 channels) or accelerometer and gyroscope (6) at 50 Hz.

    Raises:
        SpecMismatchError: on any other number of channels.
    """
    if channels not in (3, 6):
        raise SpecMismatchError(
            f"{channels} channels do not tell which sensors they are",
            where="create_encoder",
            remedy="Give channels=3 (accelerometer), channels=6 (with gyroscope), or a SignalSpec as spec=",
        )
    return imu_spec(DEFAULT_RATE_HZ, gyro=channels == 6)


def create_encoder(
    name: str, *, channels: int = 3, spec: SignalSpec | None = None, seed: int | None = None, **config: object
) -> Encoder:
    """Build an encoder with fresh weights.

    Args:
        name: One of :func:`list_encoders`.
        channels: 3 or 6, for the default spec; ignored where ``spec`` is given.
        spec: The signal it will expect.
        seed: Makes the weights a function of the seed alone and leaves torch's global generator as it was; without
            it they are drawn from that generator.
        config: Keys of the encoder's own configuration.

    Raises:
        BadOptionError: on an unknown name or a bad configuration key.
        SpecMismatchError: if no spec can be made from ``channels``.
    """
    info = encoder_info(name)
    return build(info, spec or default_spec(channels), config, seed)


def build(info: EncoderInfo, spec: SignalSpec, config: Mapping[str, object], seed: int | None = None) -> Encoder:
    """Build an encoder from its record; see :func:`create_encoder`."""
    import torch

    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        encoder = info.factory(spec, config)
    encoder.name = info.name
    return encoder
