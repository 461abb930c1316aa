"""What an alignment can be told: modalities, pairs, heads, the loop, and how encoders are pretrained before it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kinelet.config import FrozenModel, apply_overrides, load_yaml, validate
from kinelet.train.config import TrainConfig
from kinelet.train.recipe import EncoderConfig


class PairsConfig(FrozenModel):
    """Which moments are trained on.

    Attributes:
        window_s: Length of a moment in seconds.
        hop_s: Hop in seconds; ``None`` for moments that do not overlap.
        placement: ``grid``, or ``stretch``: one moment over each clip, whatever its length.
        tolerance_s: How far a window of one modality may lie from another's.
        clock: ``auto``: recordings of one person whose absolute times are known count as on one clock;
            ``recording``: only channels and side streams of one recording do.
        length: Moments of a sequence; the batch holds ``train.batch_size / length`` sequences. Default 4, and 1 with
            ``stretch``, where one moment is a whole clip.
        share: Share of the pairs that is used, for asking how many are enough; whole sequences, and those of a
            smaller share are among those of a larger one.
        keep_out: Share of the pairs that is never trained on, for diagnostics.
        hold_out: People never shown to anything, by name.
    """

    window_s: float = Field(default=5.0, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    placement: Literal["grid", "stretch"] = "grid"
    tolerance_s: float = Field(default=0.05, ge=0)
    clock: Literal["auto", "recording"] = "auto"
    length: int = Field(default=4, ge=1)
    share: float = Field(default=1.0, gt=0, le=1)
    keep_out: float = Field(default=0.1, ge=0, lt=1)
    hold_out: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_a_clip(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("placement") == "stretch":
            return {"length": 1, **given}
        return given

    @model_validator(mode="after")
    def _no_neighbours_of_clips(self) -> Self:
        if self.placement == "stretch" and self.length > 1:
            raise ValueError(f"placement=stretch lays one moment a clip, pairs.length {self.length} finds none: use 1")
        return self


class HeadsConfig(FrozenModel):
    """The heads for the shared and the private part; see :class:`kinelet.encoders.shared_private.SharedPrivate`."""

    width: int = Field(default=128, ge=1)
    depth: Literal[1, 2] = 2


class AlignEncoderConfig(EncoderConfig):
    """Encoder of modalities that come with none, and its options."""

    name: str = "tf_vit"


class AlignTrainConfig(TrainConfig):
    """The loop of an alignment; ``batch_size`` counts moments.

    Attributes:
        diagnose_every: Steps between looks at pairs that are kept out.
    """

    steps: int = Field(default=400, ge=1)
    batch_size: int = Field(default=64, ge=2)
    warmup: int = Field(default=20, ge=0)
    diagnose_every: int = Field(default=50, ge=1)


class AlignConfig(FrozenModel):
    """A whole alignment: the resolved form is the run's ``config.yaml``.

    Attributes:
        method: Name of the method.
        method_options: Its options.
        modalities: Views by name, such as ``{acc: "acc_x,acc_y,acc_z", bvp: bvp}``; ``None`` for every sensor.
        pairs: Moments.
        heads: Heads on the encoders.
        encoder: Encoder of modalities that come with none.
        stage1: What is told to the pretraining of a modality that comes as a corpus: keys of
            :class:`kinelet.train.recipe.PretrainConfig` over the recipe of ``mae``.
        train: The loop.
    """

    method: str = "infomae"
    method_options: dict[str, Any] = Field(default_factory=dict)
    modalities: dict[str, str] | None = None
    pairs: PairsConfig = PairsConfig()
    heads: HeadsConfig = HeadsConfig()
    encoder: AlignEncoderConfig = AlignEncoderConfig()
    stage1: dict[str, Any] = Field(default_factory=dict)
    train: AlignTrainConfig = AlignTrainConfig()

    @model_validator(mode="after")
    def _whole_sequences(self) -> Self:
        batch, length = self.train.batch_size, self.pairs.length
        if batch % length:
            near = max(1, batch // length) * length
            raise ValueError(f"train.batch_size {batch} is no multiple of pairs.length {length}: use {near}")
        return self


def align_recipe(name: str | Path | None, overrides: Iterable[str] = (), *, method: str = "infomae") -> AlignConfig:
    """Read a recipe of an alignment.

    Args:
        name: Path of a YAML file; ``None`` for the recipe that comes with the method, if there is one.
        overrides: ``key=value`` over it.
        method: The method, over the recipe's.

    Raises:
        BadOptionError: if there is no such file, or an option does not fit.
    """
    path = (
        Path(name) if name is not None else Path(str(resources.files("kinelet"))) / "recipes/align" / f"{method}.yaml"
    )
    given = load_yaml(path) if name is not None or path.is_file() else {}
    told = apply_overrides(given, [f"method={method}", *overrides])
    return validate(AlignConfig, told, where=str(name or "options"))
