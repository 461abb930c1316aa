"""What a run can be told: encoder, windows, loop, and the distance that some methods train first."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from kinelet.config import FrozenModel, Names
from kinelet.corpus.windows import Placement
from kinelet.train.config import TrainConfig


class EncoderConfig(FrozenModel):
    """Which encoder, and its options."""

    name: str = "resnet1d_small"
    options: dict[str, Any] = Field(default_factory=dict)


class DataConfig(FrozenModel):
    """Which windows a run is trained on.

    Attributes:
        window_s: Window length in seconds.
        hop_s: Hop in seconds; ``None`` for windows that do not overlap.
        channels: Channels to use, a list or a text with commas between names; ``None`` for all of the corpus.
        modality: One modality of a corpus that has several: a name or view as ``kinelet corpus pairs`` shows them, such
            as ``bvp`` or ``acc@wrist``; ``None`` for recordings proper, without side streams.
        hold_out: People never shown to the encoder, by name; the rest are trained on.
        placement: How windows are laid; see :meth:`kinelet.corpus.corpus.Corpus.windows`. ``event``: around what was
            said; ``stretch``: one over each annotated interval or, without any, recording.
        balance: ``part``: every batch takes as many windows from each data set (or part of a union); ``none``: windows
            count alike.
    """

    window_s: float = Field(default=5.0, gt=0)
    hop_s: float | None = Field(default=None, gt=0)
    channels: Names | None = None
    modality: str | None = None
    hold_out: tuple[str, ...] = ()
    placement: Placement = "grid"
    balance: Literal["none", "part"] = "none"


class DistanceTrainConfig(TrainConfig):
    """The loop for a distance, with the published settings but for the budget (specs: Adam, 1e-3, batches of 64)."""

    steps: int = Field(default=600, ge=1)
    batch_size: int = Field(default=64, ge=2)
    optimizer: Literal["adamw", "adam", "sgd"] = "adam"
    weight_decay: float = Field(default=0.0, ge=0)
    warmup: int = Field(default=0, ge=0)
    schedule: Literal["cosine", "constant"] = "constant"
    clip: float | None = Field(default=None, gt=0)


class DistanceConfig(FrozenModel):
    """The distance between windows that a method ranks by.

    Attributes:
        use: ``euclid``, ``dtw``, or the folder of a distance or of the run that trained it; ``None``: it is trained
            first, on the very windows of the run.
        options: How it is used; see :func:`kinelet.distances.open_distance`.
        method_options: Options of the method ``motif`` that trains it.
        train: The loop that trains it. Seed, device and threads are those of the run.
    """

    use: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    method_options: dict[str, Any] = Field(default_factory=dict)
    train: DistanceTrainConfig = DistanceTrainConfig()


class PretrainConfig(FrozenModel):
    """A whole run: the resolved form is the run's ``config.yaml``.

    Attributes:
        method: Name of the method.
        method_options: Its options.
        encoder: The encoder; of no matter to methods that train a distance.
        data: Windows.
        train: The loop.
        distance: The distance, for methods that need one; a text stands for ``{"use": text}``.
        modalities: What is paired with motion, for methods that use it, by the names that the corpora have;
            ``None`` for all there is. A text names one, or several with commas between them.
    """

    method: str = "simclr"
    method_options: dict[str, Any] = Field(default_factory=dict)
    encoder: EncoderConfig = EncoderConfig()
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    distance: DistanceConfig | None = None
    modalities: Names | None = None

    @field_validator("distance", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value
