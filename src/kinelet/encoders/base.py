"""What every encoder is: a torch module from windows to vectors that knows the signal it expects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kinelet.errors import SpecMismatchError
from kinelet.signal.spec import SignalSpec


class Encoder(nn.Module):
    """Base of all encoders.

    Subclasses implement :meth:`forward` and call ``super().__init__`` with their spec, output width, and the
    keyword arguments that build them again (stored in ``config.json`` beside the weights).

    Attributes:
        spec: The signal the encoder expects.
        dim: Width of its output.
        name: Name in the registry; set by :func:`kinelet.create_encoder`.
        config: Keyword arguments that build the same network again.
        card: Facts that travel with the weights: method, corpus, people it was trained on, …
        needs_fit: Whether :meth:`fit_input` has to see windows of the people it is trained on before training.
    """

    min_samples: int = 1
    needs_fit: bool = False

    def __init__(self, spec: SignalSpec, dim: int, config: dict[str, Any]) -> None:
        super().__init__()
        self.spec, self.dim, self.config = spec, dim, config
        self.name = ""
        self.card: dict[str, Any] = {}

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into vectors ``(batch, dim)``."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def fit_input(self, windows: Iterable[Tensor]) -> None:
        """Fit what must be known of the signal beforehand; nothing, unless ``needs_fit``.

        Args:
            windows: Batches ``(batch, channel, time)`` of windows of people trained on.
        """

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise unless ``shape`` is a batch of windows this encoder can take.

        Raises:
            SpecMismatchError: naming what was given and what is expected.
        """
        want = f"(batch, {len(self.spec.channels)} channels {' '.join(self.spec.channels)}, time >= {self.min_samples})"
        if len(shape) != 3 or shape[1] != len(self.spec.channels) or shape[2] < self.min_samples:
            raise SpecMismatchError(
                f"input has shape {tuple(shape)} but {want} is expected",
                where=f"encoder {self.name or type(self).__name__}",
                remedy="Windows go in as (batch, channel, time); adapt recordings with kinelet.signal.adapt",
            )

    def check_spec(self, spec: SignalSpec) -> None:
        """Raise unless signals of ``spec`` can be fed to this encoder.

        Raises:
            SpecMismatchError: naming both sides and the remedy.
        """
        self.spec.require(spec, where=f"encoder {self.name or type(self).__name__}")

    @torch.inference_mode()
    def embed(self, x: npt.ArrayLike | Tensor, batch_size: int = 512) -> npt.NDArray[np.float32]:
        """Embed windows of any number, in evaluation mode, without gradients.

        Args:
            x: Array or tensor ``(batch, channel, time)`` in ``spec``.
            batch_size: Windows per forward pass; the result does not depend on it.

        Returns:
            float32 array ``(batch, dim)``.

        Raises:
            SpecMismatchError: on a wrong shape.
        """
        windows = x if isinstance(x, Tensor) else torch.as_tensor(np.asarray(x, dtype=np.float32))
        self.check_input(tuple(windows.shape))
        device = next(self.parameters()).device
        was_training = self.training
        self.eval()
        try:
            parts = [
                self(windows[i : i + batch_size].to(device, torch.float32)).float().cpu()
                for i in range(0, len(windows), batch_size)
            ]
        finally:
            self.train(was_training)
        out = torch.cat(parts) if parts else torch.empty(0, self.dim)
        return out.numpy()


class DenseEncoder(Encoder):
    """An encoder that also tells what it sees at each time step, before pooling.

    Reconstruction methods decode these maps; saliency plots draw them.

    Attributes:
        feature_dim: Channels of the maps that :meth:`features` returns.
    """

    feature_dim: int

    def features(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to ``(batch, feature_dim, step)``, ``step <= time``."""
        raise TypeError(f"{type(self).__name__} does not define features")


class TokenEncoder(DenseEncoder):
    """A dense encoder that first cuts windows into tokens, which a method may hide before they are mixed.

    Attributes:
        patch: Samples in a token.
    """

    patch: int

    def tokenise(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to tokens ``(batch, ceil(time / patch), feature_dim)``."""
        raise TypeError(f"{type(self).__name__} does not define tokenise")

    def mix(self, tokens: Tensor) -> Tensor:
        """Let tokens ``(batch, token, feature_dim)`` see each other and where they stand; the shape is kept."""
        raise TypeError(f"{type(self).__name__} does not define mix")

    def features(self, x: Tensor) -> Tensor:
        """Map windows ``(batch, channel, time)`` to ``(batch, feature_dim, token)``."""
        return self.mix(self.tokenise(x)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Encode windows ``(batch, channel, time)`` into ``(batch, feature_dim)``, the mean over tokens."""
        return self.mix(self.tokenise(x)).mean(dim=1)
