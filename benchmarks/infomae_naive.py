"""One step of InfoMAE's second stage, transcribed from its formulas in the published design, without thought for speed.

What ``infomae_step.py`` compares with. Two-sided spectra, Swin networks of the published size (padding without a mask,
hidden patches substituted, so that no time is saved), three passes of each encoder, a Swin decoder, ten critics of
which those of a window look at its image, five-layer heads of critics, contrast and hinge in loops. Two modalities are
aligned, as in the figures that it stands for. Shapes are ``(batch, channel, time)``; images ``(batch, plane, interval,
bin)``. Formulas: arXiv 2504.09707, section 3; sizes as measured for PAMAP2.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise, permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW, GRID, WIDTH, HEADS, DIM, PART = (3, 5), (12, 20), 32, 4, 128, 128
FFT, HOP = 40, 20
SEQUENCE, HIDDEN, TAU = 4, 0.75, 0.1


def image(x: Tensor) -> Tensor:
    """Two-sided spectrum of each interval, real and imaginary parts as planes, padded to the grid."""
    spectrum = torch.fft.fft(x.unfold(2, FFT, HOP))
    parts = torch.cat([spectrum.real, spectrum.imag], dim=1)
    return F.pad(parts, (0, 0, 0, GRID[0] - parts.shape[2]))


def augmented(x: Tensor) -> Tensor:
    """Each window negated, turned round in time and scaled, each with probability one half."""
    done = []
    for window in x:
        y = window
        if torch.rand(()) < 0.5:
            y = -y
        if torch.rand(()) < 0.5:
            y = y.flip(1)
        if torch.rand(()) < 0.5:
            y = y * (1 + 0.2 * torch.randn(len(y), 1, device=y.device))
        done.append(y)
    return torch.stack(done)


# --- the network -----------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """Window attention and MLP on ``(batch, row, col, width)``; windows roll on both axes or on none."""

    def __init__(self, width: int, rows: int, cols: int, shifted: bool) -> None:
        super().__init__()
        self.rolls = shifted and rows > WINDOW[0] and cols > WINDOW[1]
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.2), nn.Linear(4 * width, width), nn.Dropout(0.2)
        )
        h, w = WINDOW
        self.bias = nn.Parameter(0.02 * torch.randn((2 * h - 1) * (2 * w - 1), HEADS))
        place = torch.cartesian_prod(torch.arange(h), torch.arange(w))
        apart = place[:, None] - place[None] + torch.tensor([h - 1, w - 1])
        self.register_buffer("index", apart[..., 0] * (2 * w - 1) + apart[..., 1])
        self.drop = nn.Dropout(0.2)
        mark = torch.zeros(rows, cols)
        for i, r in enumerate((slice(0, -h), slice(-h, -(h // 2)), slice(-(h // 2), None))):
            for j, c in enumerate((slice(0, -w), slice(-w, -(w // 2)), slice(-(w // 2), None))):
                mark[r, c] = 3 * i + j
        marks = self._cut(mark[None, :, :, None])[..., 0]
        self.register_buffer("apart", marks[:, :, None] != marks[:, None, :])

    def _cut(self, x: Tensor) -> Tensor:
        b, rows, cols, width = x.shape
        x = x.view(b, rows // WINDOW[0], WINDOW[0], cols // WINDOW[1], WINDOW[1], width)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, WINDOW[0] * WINDOW[1], width)

    def _join(self, x: Tensor, rows: int, cols: int) -> Tensor:
        x = x.view(-1, rows // WINDOW[0], cols // WINDOW[1], WINDOW[0], WINDOW[1], x.shape[-1])
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, rows, cols, x.shape[-1])

    def _mixed(self, x: Tensor, batch: int) -> Tensor:
        q, k, v = (p.unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + self.bias[self.index].permute(2, 0, 1)
        if self.rolls:
            scores = scores.masked_fill(self.apart.repeat(batch, 1, 1)[:, None], -100.0)
        mixed = self.drop(torch.softmax(scores, dim=-1)) @ v
        return self.drop(self.out(mixed.transpose(1, 2).flatten(2)))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        y, shift = self.norm1(x), (WINDOW[0] // 2, WINDOW[1] // 2)
        y = y.roll((-shift[0], -shift[1]), (1, 2)) if self.rolls else y
        y = self._join(self._mixed(self._cut(y), len(x)), x.shape[1], x.shape[2])
        x = x + (y.roll(shift, (1, 2)) if self.rolls else y)
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    """The published network for one modality of PAMAP2, 818,776 parameters and a value for hidden patches."""

    def __init__(self, planes: int = 6) -> None:
        super().__init__()
        self.embed, self.norm = nn.Conv2d(planes, WIDTH, (1, 2), (1, 2)), nn.LayerNorm(WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(GRID[0], GRID[1], WIDTH))
        self.hidden = nn.Parameter(torch.zeros(WIDTH))
        self.stages, self.mergings = nn.ModuleList(), nn.ModuleList()
        for i in range(3):
            width, rows, cols = WIDTH * 2**i, GRID[0] >> i, GRID[1] >> i
            self.stages.append(nn.Sequential(*(Block(width, rows, cols, bool(j)) for j in range(2))))
            if i < 2:
                self.mergings.append(
                    nn.Sequential(nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False))
                )
        self.code = nn.Linear(15 * 4 * WIDTH, DIM)

    def forward(self, image: Tensor, keep: Tensor | None = None) -> Tensor:
        """Codes ``(batch, DIM)``; ``keep`` ``(batch, row, col)`` bool."""
        x = self.norm(self.embed(image).permute(0, 2, 3, 1))
        if keep is not None:
            x = torch.where(keep[..., None], x, self.hidden)
        x = x + self.positions
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i < 2:
                four = [x[:, r::2, c::2] for c in (0, 1) for r in (0, 1)]
                x = self.mergings[i](torch.cat(four, dim=-1))
        return self.code(x.flatten(1))


class Decoder(nn.Module):
    """From a code to the coarsest grid, expanded two by two twice with two blocks each, and to values of patches."""

    def __init__(self, planes: int = 6) -> None:
        super().__init__()
        self.adapt, self.start = nn.Linear(2 * PART, DIM), nn.Linear(DIM, 15 * 4 * WIDTH)
        self.expand, self.stages = nn.ModuleList(), nn.ModuleList()
        for i in (1, 0):
            width, rows, cols = WIDTH * 2**i, GRID[0] >> i, GRID[1] >> i
            self.expand.append(nn.Linear(2 * width, 4 * width))
            self.stages.append(nn.Sequential(*(Block(width, rows, cols, bool(j)) for j in range(2))))
        self.values = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, 2 * planes))

    def forward(self, code: Tensor) -> Tensor:
        """Values of patches ``(batch, row, col, value)``."""
        x = self.start(self.adapt(code)).view(len(code), 3, 5, 4 * WIDTH)
        for expand, stage in zip(self.expand, self.stages, strict=True):
            y = expand(x).view(*x.shape[:3], 2, 2, -1).transpose(2, 3)
            x = stage(y.reshape(len(x), 2 * x.shape[1], 2 * x.shape[2], -1))
        return self.values(x)


class Critic(nn.Module):
    """Logit of vectors and images: an image goes through convolutions to a vector first; five layers."""

    def __init__(self, images: int, vectors: int, planes: int = 6) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(planes, 32, 3, 2, 1), nn.GELU(), nn.Conv2d(32, 64, 3, 2, 1), nn.GELU()),
                *(nn.Conv2d(64, PART, 3, 2, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            )
            for _ in range(images)
        )
        widths = [PART * (images + vectors), 256, 256, 256, 256]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
        self.mlp = nn.Sequential(*layers, nn.Linear(256, 1))

    def forward(self, images: list[Tensor], vectors: list[Tensor]) -> Tensor:
        """Logits ``(batch,)``."""
        seen = [c(x) for c, x in zip(self.convolutions, images, strict=True)]
        return self.mlp(torch.cat([*seen, *vectors], dim=1))[:, 0]


def _head() -> nn.Module:
    return nn.Sequential(nn.Linear(DIM, PART), nn.GELU(), nn.Linear(PART, PART))


# --- the loss --------------------------------------------------------------------------------------------------------

Arguments = tuple[list[Tensor], list[Tensor]]


class InfoMAE(nn.Module):
    """Two modalities with all that belongs to them, and ten critics."""

    def __init__(self, names: tuple[str, str]) -> None:
        super().__init__()
        self.names = names
        self.encoders = nn.ModuleDict({n: Encoder() for n in names})
        self.decoders = nn.ModuleDict({n: Decoder() for n in names})
        self.heads_u = nn.ModuleDict({n: _head() for n in names})
        self.heads_v = nn.ModuleDict({n: _head() for n in names})
        kinds = [(2, 1)] * 2 + [(1, 1)] * 4 + [(1, 1)] * 2 + [(0, 2)] * 2
        self.critics = nn.ModuleList(Critic(*kind) for kind in kinds)

    def parts(self, name: str, picture: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Shared and private part."""
        code = self.encoders[name](picture, keep)
        return self.heads_u[name](code), self.heads_v[name](code)

    def arguments(self, x: Mapping[str, Tensor], u: Mapping[str, Tensor], v: Mapping[str, Tensor]) -> list[Arguments]:
        """What each of the ten critics looks at."""
        both = [x[n] for n in self.names]
        found: list[Arguments] = [(both, [u[n]]) for n in self.names]
        found += [([x[n]], [u[n]]) for n in self.names]
        found += [([x[a]], [u[b]]) for a, b in permutations(self.names)]
        found += [([x[n]], [v[n]]) for n in self.names]
        return found + [([], [v[n], u[n]]) for n in self.names]

    def critic_loss(self, arguments: list[Arguments], sequence: Tensor) -> Tensor:
        """Logistic loss of every critic on what belongs together and on what was put together."""
        total = torch.zeros((), device=sequence.device)
        for critic, (images, vectors) in zip(self.critics, arguments, strict=True):
            flat = [a.detach() for a in [*images, *vectors]]
            mixed = [flat[0], *(a[_elsewhere(sequence)] for a in flat[1:])]
            joint = critic(flat[: len(images)], flat[len(images) :])
            product = critic(mixed[: len(images)], mixed[len(images) :])
            total = total - F.logsigmoid(joint).mean() - F.logsigmoid(-product).mean()
        return total

    def information(self, arguments: list[Arguments], beta: float = 0.1) -> Tensor:
        """Shared terms, corrected sign, and private ones, from the logits of the critics."""
        found = [critic(*a).mean() for critic, a in zip(self.critics, arguments, strict=True)]
        shared = sum(found[i] - (1 - beta) * found[2 + i] - found[4 + i] for i in (0, 1))
        private = 0.01 * (found[6] + found[7]) + 0.1 * (found[8] + found[9])
        return shared + private

    def forward(self, x: Mapping[str, Tensor], sequence: Tensor) -> tuple[Tensor, Tensor]:
        """Loss of everything but the critics, and theirs."""
        pictures = {n: image(x[n]) for n in self.names}
        u, v, rebuilt = {}, {}, torch.zeros((), device=sequence.device)
        for n in self.names:
            keep = torch.rand(len(sequence), *GRID, device=sequence.device) >= HIDDEN
            u[n], v[n] = self.parts(n, pictures[n], keep)
            rebuilt = rebuilt + _masked_error(self.decoders[n](torch.cat([u[n], v[n]], dim=1)), pictures[n], keep)
        loss = rebuilt + (u[self.names[0]] - u[self.names[1]]).square().mean()
        for n in self.names:
            views = [torch.cat(self.parts(n, image(augmented(x[n]))), dim=1) for _ in (0, 1)]
            loss = loss + contrast(views[0], views[1], sequence) + contrast(views[1], views[0], sequence)
            loss = loss + hinge(torch.cat([u[n], v[n]], dim=1), sequence)
        arguments = self.arguments(pictures, u, v)
        return loss + self.information(arguments), self.critic_loss(arguments, sequence)


def _elsewhere(sequence: Tensor) -> Tensor:
    """For each row a row of another sequence."""
    other = sequence[:, None] != sequence[None]
    return torch.multinomial(other.float(), 1)[:, 0]


def _masked_error(values: Tensor, picture: Tensor, keep: Tensor) -> Tensor:
    """Squared error on standardised hidden patches."""
    b, planes = picture.shape[:2]
    target = picture.view(b, planes, GRID[0], GRID[1], 2).permute(0, 2, 3, 1, 4).flatten(3)
    target = (target - target.mean(dim=-1, keepdim=True)) / (target.var(dim=-1, keepdim=True) + 1e-6).sqrt()
    error = (values - target).square().mean(dim=-1)
    return (error * ~keep).sum() / (~keep).sum()


def contrast(h: Tensor, other: Tensor, sequence: Tensor) -> Tensor:
    """Each row against the rows of other sequences, in both views."""
    h, other = F.normalize(h, dim=1), F.normalize(other, dim=1)
    total = torch.zeros((), device=h.device)
    for a in range(len(h)):
        elsewhere = sequence != sequence[a]
        positive = (h[a] @ other[a]) / TAU
        negatives = torch.cat([h[elsewhere] @ h[a], other[elsewhere] @ h[a]]) / TAU
        total = total - positive + torch.logsumexp(torch.cat([positive[None], negatives]), dim=0)
    return total / len(h)


def hinge(h: Tensor, sequence: Tensor) -> Tensor:
    """Rows of one sequence nearer to each other than to those of another, by a margin of 1."""
    groups = [h[sequence == s] for s in sequence.unique()]
    costs = []
    for i, mine in enumerate(groups):
        within = (mine[:, None] - mine[None] + 1e-12).norm(dim=2).mean()
        for j, theirs in enumerate(groups):
            if i != j:
                costs.append(F.relu(within - (mine[:, None] - theirs[None]).norm(dim=2).mean() + 1))
    return torch.stack(costs).mean()


def step(model: InfoMAE, optimizers: list[torch.optim.Optimizer], batch: Mapping[str, Tensor]) -> float:
    """One step on windows ``x.NAME`` with ``sequence``: critics first, then all the rest."""
    x, sequence = {n: batch[f"x.{n}"] for n in model.names}, batch["sequence"]
    rest, critics = optimizers
    loss, theirs = model(x, sequence)
    rest.zero_grad()
    loss.backward()
    critics.zero_grad()
    theirs.backward()
    critics.step()
    rest.step()
    return float(loss.detach())
