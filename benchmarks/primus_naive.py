"""One PRIMUS step, transcribed from its formulas without any thought for speed: what ``primus_step.py`` compares with.

Windows are augmented one by one in NumPy; windows and copies pass through the encoder one after the other; a neighbour
is found by subtracting every window of the queue from every query, ``(batch, queue, dim)`` numbers; every term of the
loss is computed for itself. Shapes are ``(batch, channel, time)``. Formulas: arXiv 2411.15127, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rng = np.random.Generator


# --- the second view -------------------------------------------------------------------------------------------------


def augment(x: Tensor, rng: Rng, segments: int = 5) -> Tensor:
    """Scale each time step of a window by a factor of its own, then cut it into pieces and put them in random order."""
    windows = x.cpu().numpy()
    done = []
    for window in windows:
        scaled = window * (1 + 0.25 * rng.standard_normal((1, window.shape[1])))
        cuts = np.sort(rng.choice(np.arange(1, window.shape[1]), segments - 1, replace=False))
        pieces = np.split(scaled, cuts, axis=1)
        done.append(np.concatenate([pieces[i] for i in rng.permutation(segments)], axis=1))
    return torch.from_numpy(np.stack(done).astype(windows.dtype)).to(x.device)


# --- the network -----------------------------------------------------------------------------------------------------


class Encoder(nn.Module):
    """Three dilated convolutions and a GRU that steps over feature channels, as the public weights need it.

    With two heads 1,376,204 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.GroupNorm(2, 6), nn.GroupNorm(4, 32)
        self.conv1 = nn.Conv1d(6, 32, 10, dilation=2, bias=False)
        self.conv2 = nn.Conv1d(32, 32, 5, dilation=2, bias=False)
        self.conv3 = nn.Conv1d(32, 32, 5, dilation=2, bias=False)
        self.rnn = nn.GRU(32, 512, batch_first=True)
        self.head_ss, self.head_mm = nn.Linear(512, 512), nn.Linear(512, 512)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs of the unimodal and of the multimodal head."""
        y = F.max_pool1d(self.conv1(self.norm_in(x)), 3)
        y = self.conv3(F.max_pool1d(self.conv2(y), 3))
        states, _ = self.rnn(self.norm_out(F.adaptive_avg_pool1d(y, 32)))
        return self.head_ss(states[:, -1]), self.head_mm(states[:, -1])


# --- the loss --------------------------------------------------------------------------------------------------------


def nce(q: Tensor, k: Tensor, tau: Tensor) -> Tensor:
    """Symmetric InfoNCE, both directions added."""
    similarity = F.normalize(q, dim=1) @ F.normalize(k, dim=1).T / tau
    across = -torch.log(torch.softmax(similarity, dim=1)).diagonal().mean()
    back = -torch.log(torch.softmax(similarity, dim=0)).diagonal().mean()
    return across + back


class Queue:
    """The last ``size`` windows: what was seen, what was said and how they moved, each ``(size, dim)``."""

    def __init__(self, video: Tensor, text: Tensor, motion: Tensor) -> None:
        self.video, self.text, self.motion = video.clone(), text.clone(), motion.clone()
        self.next = 0

    def nearest(self, video: Tensor) -> Tensor:
        """Most similar slot of each query, by what was seen."""
        difference = video[:, None, :] - self.video[None, :, :]
        return difference.square().sum(dim=2).argmin(dim=1)

    def put(self, video: Tensor, text: Tensor, motion: Tensor) -> None:
        """Put windows in over the oldest ones."""
        slots = (torch.arange(len(video), device=video.device) + self.next) % len(self.video)
        for held, new in ((self.video, video), (self.text, text), (self.motion, motion)):
            held[slots] = F.normalize(new.detach(), dim=1)
        self.next = int((self.next + len(video)) % len(self.video))


class Primus(nn.Module):
    """Encoder, temperatures and queue; the sum of the six terms, half of it unimodal, neighbours with weight 1."""

    def __init__(self, queue: Queue | None) -> None:
        super().__init__()
        self.encoder, self.queue = Encoder(), queue
        self.tau_ss, self.tau_mm = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor, view: Tensor, video: Tensor, text: Tensor) -> Tensor:
        """Loss of a batch."""
        z, m = self.encoder(x)
        z_view, _ = self.encoder(view)
        loss = 0.5 * nce(z, z_view, self.tau_ss)
        loss = loss + 0.5 * (nce(m, text, self.tau_mm) + nce(m, video, self.tau_mm))
        if self.queue is not None:
            found = self.queue.nearest(F.normalize(video, dim=1))
            loss = loss + 0.5 * nce(z, self.queue.motion[found], self.tau_ss)
            loss = loss + 0.5 * nce(m, self.queue.text[found], self.tau_mm)
            loss = loss + 0.5 * nce(m, self.queue.video[found], self.tau_mm)
            self.queue.put(video, text, z)
        return loss


def step(model: Primus, optimizer: torch.optim.Optimizer, batch: Mapping[str, Tensor], rng: Rng) -> float:
    """One step on a batch of windows ``x`` with ``video`` and ``text`` vectors."""
    optimizer.zero_grad()
    loss = model(batch["x"], augment(batch["x"], rng), batch["video"], batch["text"])
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def fill(encoder: Encoder, weights: Mapping[str, Tensor]) -> None:
    """Copy weights of kinelet's encoder with heads; nothing may be missing."""
    renamed = {
        name.replace("base.", "").replace("heads.ss", "head_ss").replace("heads.mm", "head_mm"): value
        for name, value in weights.items()
    }
    encoder.load_state_dict(renamed)
