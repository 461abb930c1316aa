"""From a code back to the patches of an image."""

from __future__ import annotations

from torch import nn


class PatchDecoder(nn.Module):
    """Rebuilds the patches of a time-frequency image from one code."""
