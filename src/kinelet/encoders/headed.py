"""An encoder with linear heads: one network, several outputs, one of which is the embedding."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from kinelet.config import FrozenModel, validate
from kinelet.encoders.base import DenseEncoder, Encoder
from kinelet.encoders.registry import build, encoder_info
from kinelet.errors import BadOptionError
from kinelet.signal.spec import SignalSpec

BACKBONE = "backbone"

HeadName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
HeadWidth = Annotated[int, Field(ge=1, le=65536)]


class HeadedConfig(FrozenModel):
    """Configuration of :class:`HeadedEncoder`.

    Attributes:
        base: Registry name of the encoder below the heads.
        base_config: Its configuration.
        heads: Name and width of each head.
        output: Head whose output is the embedding; ``backbone`` for the output of ``base``.
    """

    base: str = "stacked_rnn"
    base_config: dict[str, Any] = Field(default_factory=dict)
    heads: dict[HeadName, HeadWidth] = Field(default={"ss": 512, "mm": 512}, max_length=32)
    output: str = "mm"

    @field_validator("base")
    @classmethod
    def _one_storey(cls, base: str) -> str:
        if base == "headed":
            raise ValueError("the encoder below the heads cannot be headed itself")
        return base

    @field_validator("heads")
    @classmethod
    def _names_are_free(cls, heads: dict[str, int]) -> dict[str, int]:
        taken = [name for name in heads if name == BACKBONE or hasattr(nn.ModuleDict, name)]
        if taken:
            raise ValueError(f"{taken[0]!r} cannot be the name of a head")
        return heads

    @model_validator(mode="after")
    def _output_is_there(self) -> Self:
        if self.output not in (BACKBONE, *self.heads):
            raise ValueError(f"output {self.output!r} is none of {', '.join((BACKBONE, *self.heads))}")
        return self


class HeadedEncoder(DenseEncoder):
    """A base encoder and linear heads on its output, as PRIMUS trains one for each space it aligns motion with.

    Attributes:
        base: The encoder below.
        heads: Linear layers by name.
        output: Which of them, or ``backbone``, gives the embedding.

    Source: Das et al. 2025, arXiv 2411.15127, section 2.
    """

    def __init__(self, spec: SignalSpec, config: HeadedConfig, base: Encoder | None = None) -> None:
        base = build(encoder_info(config.base), spec, config.base_config) if base is None else base
        told = {**config.model_dump(mode="json"), "base_config": base.config}
        super().__init__(spec, config.heads.get(config.output, base.dim), told)
        self.base, self.output, self.min_samples = base, config.output, base.min_samples
        self.heads = nn.ModuleDict({name: nn.Linear(base.dim, dim) for name, dim in config.heads.items()})
        self.feature_dim = self._feature_dim()
        self.needs_fit = base.needs_fit

    def fit_input(self, windows: Iterable[Tensor]) -> None:
        """Fit the base encoder's input; see :meth:`~kinelet.encoders.base.Encoder.fit_input`."""
        self.base.fit_input(windows)

    @classmethod
    def around(cls, base: Encoder, heads: Mapping[str, int], output: str) -> HeadedEncoder:
        """Put heads on an encoder that is there already; the encoder itself is used, not a copy.

        Heads of an encoder that has some are kept where name and width are the same; others are new.

        Raises:
            BadOptionError: if ``base`` is not in the registry, or a name does not fit.
        """
        below = base.base if isinstance(base, HeadedEncoder) else base
        encoder_info(below.name)
        given = {"base": below.name, "base_config": below.config, "heads": dict(heads), "output": output}
        made = cls(below.spec, validate(HeadedConfig, given, where="encoder headed"), below)
        made.name = "headed"
        made.card = dict(base.card)
        if isinstance(base, HeadedEncoder):
            old = base.config["heads"]
            made.heads.update({n: base.heads[n] for n, width in heads.items() if old.get(n) == width})
        return made

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, dim)`` by the chosen output."""
        y: Tensor = self.base(x)
        return y if self.output == BACKBONE else self.heads[self.output](y)

    def outputs(self, x: Tensor) -> dict[str, Tensor]:
        """All outputs of one pass, ``(batch, width)`` each: ``backbone`` and every head."""
        y = self.base(x)
        return {BACKBONE: y, **{name: head(y) for name, head in self.heads.items()}}

    def features(self, x: Tensor) -> Tensor:
        """Map windows to ``(batch, feature_dim, step)``: maps of the base encoder, through the head of the output.

        The head is left out where those maps are not as wide as the base's embedding.
        """
        if not isinstance(self.base, DenseEncoder):
            raise BadOptionError(f"{self.base.name} has no maps over time", where="encoder headed")
        maps = self.base.features(x)
        if self.output == BACKBONE or self.base.feature_dim != self.base.dim:
            return maps
        return self.heads[self.output](maps.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    def _feature_dim(self) -> int:
        below = self.base.feature_dim if isinstance(self.base, DenseEncoder) else 0
        return self.dim if below == self.base.dim else below

    @property
    def choices(self) -> tuple[str, ...]:
        """Outputs that :meth:`select` takes."""
        return (BACKBONE, *self.heads)

    def select(self, output: str) -> HeadedEncoder:
        """The same network, weights shared, with another output as its embedding.

        Raises:
            BadOptionError: if there is no such output.
        """
        if output not in self.choices:
            raise BadOptionError(
                f"no output is named {output!r}",
                where="encoder headed",
                remedy=f"Choose one of: {', '.join(self.choices)}",
            )
        other = copy.copy(self)
        other.output = output
        other.dim = self.config["heads"].get(output, self.base.dim)
        other.feature_dim = other._feature_dim()
        other.config, other.card = {**self.config, "output": output}, dict(self.card)
        return other
