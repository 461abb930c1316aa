"""What an InfoMAE run is made of: its options, and how much each of its terms counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kinelet.functional.augment import AnyAugmentation, augmentations
from kinelet.functional.masking import MaskMode
from kinelet.methods.base import MethodConfig, Rate

Weight = Annotated[float, Field(ge=0, le=1e6)]
Rows = Annotated[int, Field(ge=1, le=1024)]

#: Critics on fewer pairs look at codes instead of windows, unless told otherwise.
FEW_PAIRS = 2000
#: Encoders move ten times less where there are fewer pairs than this.
VERY_FEW_PAIRS = 1000


class CriticConfig(MethodConfig):
    """Networks that tell pairs from products.

    Attributes:
        width: Of every layer.
        depth: Layers, five as published.
        dropout: Between layers; ``None``: 0.1 under 2,000 pairs, else none.
        spectral_norm: Bound the slope of every layer.
        rate: Learning rate, as a multiple of the loop's. A tenth, 1e-4 where the loop's is 1e-3, would be customary
            for critics, and is too slow at a few hundred steps: after 240, what critics told of a shared part's own
            modality was 0.41 nats then, 4.8 nats at 1e-3.
        weight_decay: Of their own; ``None``: 0.01 under 2,000 pairs, else none.
    """

    width: int = Field(default=128, ge=1, le=65536)
    depth: int = Field(default=5, ge=2, le=20)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    spectral_norm: bool = False
    rate: float = Field(default=1.0, gt=0, le=1e4)
    weight_decay: float | None = Field(default=None, ge=0)


class MaskingConfig(MethodConfig):
    """Which patches are hidden.

    Attributes:
        ratio: Share of the patches that is hidden.
        mode: See :func:`kinelet.functional.masking.hide_patches`.
        block: Patches over time and over frequency that a block hides.
        target: ``patch``: each patch is freed of its mean and spread; ``image``: patches as the encoder sees them.
    """

    ratio: float = Field(default=0.75, gt=0, lt=1)
    mode: MaskMode = "block"
    block: tuple[Rows, Rows] = (2, 3)
    target: Literal["patch", "image"] = "patch"


class DecoderConfig(MethodConfig):
    """Options of a :class:`~kinelet.methods.tf_decoder.PatchDecoder`."""

    width: int = Field(default=64, ge=8, le=4096, multiple_of=4)
    depth: int = Field(default=2, ge=0, le=24)
    heads: int = Field(default=4, ge=1, le=64)


class InfoMAEConfig(MethodConfig):
    """Configuration of :class:`~kinelet.methods.infomae.InfoMAE`.

    No weight of this method is published; these are starting points. What weighs nothing is not computed.

    Attributes:
        alpha: Weight of the distance between the shared parts of two modalities.
        shared: Weight of the information terms of the shared parts.
        beta: What a shared part knows of its own modality, within ``shared``.
        gamma: What a private part knows of its modality.
        epsilon: What the two parts of a modality know of each other.
        delta: Weight of the error of rebuilt patches.
        lam: Weight of the contrast of two augmented views.
        eta: Weight of the locality in time.
        tau: Temperature of the contrast.
        margin: By which windows of other sequences are to be farther.
        form: ``reduced``: each shared part is to tell of the other modalities and little of its own;
            ``three_variable``: as published, with critics on both windows and a shared part.
        shared_sign: ``corrected``, or as ``printed`` in the paper, which pushes shared parts away from everything.
        cross: How it is estimated what a shared part knows of other modalities: ``infonce``, ``logistic`` or
            ``smile``; ``None``: ``infonce`` in the reduced form, ``logistic`` in the three-variable one, whose terms
            cancel only where critics of one kind estimate them.
        own: How it is estimated what a shared part knows of its own modality: by a ``logistic`` critic, or from
            above as what a Gaussian channel with this ``noise`` can carry.
        shared_apart: Nothing flows into shared parts but from ``distance`` and ``shared``: contrast, locality,
            reconstruction and what both parts know of each other train private parts and encoders. As published, all
            train shared parts too, which then keep much that is private.
        distance: Between shared parts: ``l2``, mean squared difference; ``cosine``; or ``standardised``: ``l2`` of
            coordinates freed of the batch's mean and spread, which cannot be had by all being alike.
        noise: Standard deviation of what is added to both parts in training.
        logit_bound: Logits of critics lie between plus and minus this.
        critic_input: Critics look at ``windows`` (images) or at ``features`` (codes of the encoder as it is, through
            which no gradient flows); ``auto``: at features under 2,000 pairs.
        critic: The critics.
        score_tau: Temperature of ``infonce``.
        aligned_on: All terms but contrast and reconstruction look at the ``window`` as it is, or at its first
            augmented ``view``, which saves a pass of the encoder.
        augmentations: Preset name, or list of augmentations, of both views.
        masking: Which patches are hidden.
        decoder: Decoders of modalities for which stage 1 left none.
        encoder_rate: Learning rate of encoders, as a multiple of the loop's; ``None``: 0.1, and 0.01 under 1,000
            pairs, and 1 for those that begin with fresh weights, which have nothing to forget.
        fresh: Modalities whose encoders are trained at the loop's rate; filled in where ``encoder_rate`` is not told.
        freeze_encoder: Only heads, decoders and critics are trained.
        published_size: Add the two layers of 512 per modality that the published numbers of parameters hold, whose
            use is not known; nothing goes through them.
    """

    alpha: Weight = 1.0
    shared: Weight = 1.0
    beta: Weight = 0.1
    gamma: Weight = 0.01
    epsilon: Weight = 0.1
    delta: Weight = 1.0
    lam: Weight = 1.0
    eta: Weight = 1.0
    tau: float = Field(default=0.1, gt=0, le=10)
    margin: float = Field(default=1.0, ge=0)
    form: Literal["reduced", "three_variable"] = "reduced"
    shared_sign: Literal["corrected", "printed"] = "corrected"
    cross: Literal["infonce", "logistic", "smile"] | None = None
    own: Literal["logistic", "noise"] = "logistic"
    shared_apart: bool = False
    distance: Literal["l2", "cosine", "standardised"] = "l2"
    noise: float = Field(default=0.1, ge=0, le=10)
    logit_bound: float = Field(default=10.0, gt=0, le=100)
    critic_input: Literal["features", "windows", "auto"] = "auto"
    critic: CriticConfig = CriticConfig()
    score_tau: float = Field(default=0.1, gt=0, le=10)
    aligned_on: Literal["window", "view"] = "window"
    augmentations: tuple[AnyAugmentation, ...] = Field(default="focal", validate_default=True)
    masking: MaskingConfig = MaskingConfig()
    decoder: DecoderConfig = DecoderConfig()
    encoder_rate: float | None = Field(default=None, gt=0, le=1e4)
    fresh: tuple[str, ...] = ()
    freeze_encoder: bool = False
    published_size: bool = False

    @field_validator("augmentations", mode="before")
    @classmethod
    def _preset(cls, value: Any) -> Any:
        return augmentations(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _noisy(self) -> InfoMAEConfig:
        if self.own == "noise" and self.noise == 0:
            raise ValueError("own 'noise' needs noise above 0: without it a channel carries any amount")
        return self


def settled(config: InfoMAEConfig, pairs: int | None, fresh: Iterable[str] = ()) -> InfoMAEConfig:
    """The configuration with everything decided that is left to the number of pairs and to what encoders come from.

    Where the number is not known, critics look at codes without dropout, and encoders move as with many pairs.

    Args:
        config: As it was told.
        pairs: How many there are.
        fresh: Modalities whose encoders begin with fresh weights.
    """
    few = pairs is not None and pairs < FEW_PAIRS
    critic = config.critic.model_copy(
        update={
            "dropout": _either(config.critic.dropout, 0.1 if few else 0.0),
            "weight_decay": _either(config.critic.weight_decay, 0.01 if few else 0.0),
        }
    )
    looked, logistic = config.critic_input, config.form == "three_variable"
    return config.model_copy(
        update={
            "critic": critic,
            "critic_input": ("features" if few or pairs is None else "windows") if looked == "auto" else looked,
            "cross": config.cross or ("logistic" if logistic else "infonce"),
            "encoder_rate": _either(config.encoder_rate, 0.1 if pairs is None or pairs >= VERY_FEW_PAIRS else 0.01),
            "fresh": tuple(sorted(fresh)) if config.encoder_rate is None else config.fresh,
        }
    )


def _either(told: float | None, usual: float) -> float:
    return usual if told is None else told


def encoder_rates(names: Sequence[str], scale: float | None, fresh: Sequence[str]) -> dict[str, Rate]:
    """Rate of each modality's encoder below the heads: ``scale``, by default 0.1, or 1 for those that are fresh."""
    usual = _either(scale, 0.1)
    return {f"encoder.{name}.base.": Rate(1.0 if name in fresh else usual) for name in names}


def coefficients(config: InfoMAEConfig, modalities: int) -> dict[str, float]:
    """Factor of each term in the loss, by name, without those that are 0.

    Terms: ``distance`` between shared parts, mean over pairs of modalities; ``own``, what a shared part knows of its
    modality, ``private`` and ``overlap`` (of both parts), ``rebuild``, ``contrast`` and ``temporal``, sums over
    modalities; ``cross``, what a shared part knows of another modality, mean over the others, summed over
    modalities; ``joint``, total correlation of two windows and a shared part, summed over the two, mean over pairs.

    Source: InfoMAE, arXiv 2504.09707, equations 5, 7, 8, 9, 10 and 11, with the sign of equation 16 in the place of
    equation 5's; and for ``reduced`` what follows from a shared part depending on its own window alone.
    """
    c = config
    information = _reduced(c) if c.form == "reduced" else _three_variable(c, modalities)
    found = {
        "distance": c.alpha,
        **{name: c.shared * factor for name, factor in information.items()},
        "private": c.gamma,
        "overlap": c.epsilon,
        "rebuild": c.delta,
        "contrast": c.lam,
        "temporal": c.eta,
    }
    return {name: factor for name, factor in found.items() if factor}


def _reduced(c: InfoMAEConfig) -> dict[str, float]:
    if c.shared_sign == "corrected":
        return {"own": c.beta, "cross": -1.0}
    return {"own": 2 - c.beta, "cross": 1.0}


def _three_variable(c: InfoMAEConfig, modalities: int) -> dict[str, float]:
    sign = -1.0 if c.shared_sign == "corrected" else 1.0
    # Each modality is in M - 1 of the M (M - 1) / 2 pairs of modalities.
    share = 2 / modalities
    return {"joint": 1.0, "own": sign * (1 - c.beta) * share, "cross": sign * share}
