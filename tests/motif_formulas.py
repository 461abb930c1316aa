"""The motif distance of one pair, written from the formulas: one window, one tap, one row at a time, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kinelet.distances.config import MotifConfig
from kinelet.distances.network import MotifNetwork
from kinelet.signal.spec import imu_spec
from relcon_files import filled, motif_shapes

Array = npt.NDArray[np.float64]
Weights = dict[str, Array]
PARTS = ("weight", "bias")


def network(attention: str = "softmax", dtype: torch.dtype = torch.float32, **config: Any) -> MotifNetwork:
    """A network whose weights follow from a formula, scale and shift not trivial."""
    shape = {k: config[k] for k in ("width", "kernel", "blocks") if k in config}
    narrow = max(1, config.get("width", 64) // 8)
    made = MotifNetwork(imu_spec(100.0), MotifConfig(attention=attention, **config))  # type: ignore[arg-type]
    values = filled(motif_shapes(**shape, narrow=narrow)).values()
    made.load_state_dict(dict(zip(made.state_dict(), values, strict=True)))
    return made.to(dtype).eval()


def weights_of(net: MotifNetwork) -> Weights:
    return {key: value.double().numpy() for key, value in net.state_dict().items()}


def moving(n: int, time: int = 256, seed: int = 0) -> Tensor:
    """Windows that swing about gravity, each its own way, in float64."""
    g = np.random.default_rng(seed)
    t = np.arange(time) / 100
    rate, phase, size = g.uniform(0.5, 4, (n, 3, 1)), g.uniform(0, 6, (n, 3, 1)), g.uniform(0.05, 0.6, (n, 3, 1))
    down = g.normal(size=(n, 3, 1))
    x = size * np.sin(2 * math.pi * rate * t + phase) + 0.05 * g.normal(size=(n, 3, time))
    return torch.tensor(x + down / np.linalg.norm(down, axis=1, keepdims=True))


def still(n: int, time: int = 256, sd: float = 1e-4, seed: int = 1) -> Tensor:
    """Windows of a device that lies on a table, in float64."""
    g = np.random.default_rng(seed)
    down = g.normal(size=(n, 3, 1))
    return torch.tensor(down / np.linalg.norm(down, axis=1, keepdims=True) + sd * g.normal(size=(n, 3, time)))


def distance(w: Weights, a: Array, c: Array, attention: str = "softmax") -> float:
    """Step 5: the squared error summed over axes and time."""
    return float(((rebuild(w, a, c, attention) - a) ** 2).sum())


def table(w: Weights, anchors: Tensor, candidates: Tensor, attention: str = "softmax") -> Array:
    rows = [[distance(w, a.double().numpy(), c.double().numpy(), attention) for c in candidates] for a in anchors]
    return np.array(rows)


def rebuild(w: Weights, a: Array, c: Array, attention: str = "softmax", sd: Array | None = None) -> Array:
    """Steps 1 to 4 for one pair ``(channel, time)``."""
    mean = c.mean(axis=1, keepdims=True)
    if sd is None:
        sd = np.sqrt(c.var(axis=1, keepdims=True) + 1e-5)
    scale, shift = w["norm.scale"][:, None], w["norm.shift"][:, None]
    anchor, candidate = (scale * (x - mean) / sd + shift for x in (a, c))
    q, k, v = stack(w, "query", anchor), stack(w, "key", candidate), stack(w, "value", candidate)
    scores = q.T @ k / math.sqrt(len(q))
    share = np.stack([softmax(row) if attention == "softmax" else sparsemax(row) for row in scores])
    out = w["out.weight"] @ (share @ v.T).T + w["out.bias"][:, None]
    return (out - shift) / (scale + 1e-10) * sd + mean


def stack(w: Weights, name: str, x: Array) -> Array:
    x = instance_norm(gelu(partial_conv(x, *(w[f"{name}.stem.conv.{p}"] for p in PARTS))))
    block = 0
    while f"{name}.blocks.{block}.conv.weight" in w:
        narrow = conv(x, *(w[f"{name}.blocks.{block}.reduce.{p}"] for p in PARTS))
        wide = conv(narrow, *(w[f"{name}.blocks.{block}.conv.{p}"] for p in PARTS), dilation=2**block)
        x = instance_norm(gelu(x + wide))
        block += 1
    return x


def conv(x: Array, weight: Array, bias: Array, dilation: int = 1) -> Array:
    """Zero-padded convolution, tap by tap."""
    kernel, time = weight.shape[2], x.shape[1]
    reach = dilation * (kernel // 2)
    padded = np.pad(x, ((0, 0), (reach, reach)))
    return sum(weight[:, :, k] @ padded[:, k * dilation : k * dilation + time] for k in range(kernel)) + bias[:, None]


def partial_conv(x: Array, weight: Array, bias: Array) -> Array:
    """Convolution of a window in a sea of masked samples: sums times kernel over the taps that are not masked."""
    inside = conv(np.ones((1, x.shape[1])), np.ones((1, 1, weight.shape[2])), np.zeros(1))
    return conv(x, weight, np.zeros(len(bias))) * weight.shape[2] / inside + bias[:, None]


def instance_norm(x: Array) -> Array:
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


def gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max())
    return e / e.sum()


def sparsemax(z: Array) -> Array:
    order = np.sort(z)[::-1]
    total = np.cumsum(order)
    m = max(i for i in range(1, len(z) + 1) if 1 + i * order[i - 1] > total[i - 1])
    return np.maximum(z - (total[m - 1] - 1) / m, 0)
