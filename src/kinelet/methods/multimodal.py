"""What every method on pairs is: encoders of several modalities in, a loss on moments when several were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NotRequired, TypedDict

import torch
from torch import Tensor, nn

from kinelet.encoders.shared_private import SharedPrivate
from kinelet.errors import BadOptionError
from kinelet.methods.base import Method
from kinelet.methods.tf_decoder import PatchDecoder

Moments = dict[str, Any]
"""A batch of moments; see :class:`MomentBatch`. Windows are under ``x.NAME``, which no TypedDict can say."""


class MomentBatch(TypedDict):
    """What a batch of moments holds beside ``x.NAME`` ``(batch, channel, time)`` float32, zero where absent.

    Keys:
        present: Which modalities each moment has, ``(batch, modality)`` bool, in the order of the method's names.
        sequence: Number of the sequence of consecutive moments that a row belongs to, ``(batch,)`` int64; rows of one
            sequence follow each other.
        moment: Place of the row within its sequence, ``(batch,)`` int64.
        clock: Number of the recordings that share a clock, ``(batch,)`` int64.
        subject: Code of the person, ``(batch,)`` int64.
        time_s: Start of the moment on its clock, ``(batch,)`` float64.
        generators: As in :class:`kinelet.methods.base.Batch`.
    """

    present: Tensor
    sequence: Tensor
    moment: Tensor
    clock: Tensor
    subject: Tensor
    time_s: Tensor
    generators: NotRequired[list[torch.Generator]]


class MultimodalMethod(Method):
    """Base of methods that train, or fit in closed form, on pairs.

    Attributes:
        encoder: Encoders by name of modality.
        decoders: From codes to images, by name; those of stage 1 where it left some.
        names: Modalities, in the order of the columns of ``present``.
        kind: ``trained``: by the loop, through ``forward``; ``fitted``: by :meth:`fit`.
        features: Parts of each modality that its authors would give to a probe.
        needs_unimodal: Whether it starts from encoders pretrained on one modality each.
    """

    kind: ClassVar[Literal["trained", "fitted"]] = "trained"
    features: ClassVar[tuple[str, ...]] = ("u", "v")
    needs_unimodal: ClassVar[bool] = True
    encoder: nn.ModuleDict  # type: ignore[assignment]

    def __init__(
        self,
        encoders: Mapping[str, SharedPrivate],
        config: Any,
        decoders: Mapping[str, PatchDecoder] | None = None,
    ) -> None:
        if len(encoders) < 2:
            raise BadOptionError(
                f"{len(encoders)} modality is nothing to align", where="modalities", remedy="Name two or more"
            )
        super().__init__(nn.ModuleDict(dict(encoders)), config)  # type: ignore[arg-type]
        self.names = tuple(encoders)
        self.decoders = nn.ModuleDict(dict(decoders or {}))

    @classmethod
    def settle(cls, config: Any, pairs: int, *, fresh: frozenset[str] = frozenset()) -> Any:
        """The configuration with everything decided that is left to the pairs and to what encoders come from.

        Args:
            config: As it was told.
            pairs: How many there are.
            fresh: Modalities whose encoders begin with fresh weights.
        """
        return config

    def of(self, name: str) -> SharedPrivate:
        """Encoder of a modality."""
        return self.encoder[name]  # type: ignore[return-value]

    def fit(self, codes: Mapping[str, Tensor], present: Tensor) -> None:
        """Set the heads in closed form.

        Args:
            codes: Outputs of the base encoders for all pairs, ``(pair, base.dim)``.
            present: Which rows are there, ``(pair, modality)`` bool.
        """
        raise TypeError(f"{type(self).__name__} does not define fit")


def windows_of(batch: Mapping[str, Any], name: str) -> Tensor:
    """Windows of a modality, ``(batch, channel, time)``."""
    x: Tensor = batch[f"x.{name}"]
    return x


def present_of(batch: Mapping[str, Any]) -> Tensor:
    """Which modalities each moment has, ``(batch, modality)`` bool."""
    present: Tensor = batch["present"]
    return present
