"""What RelCon takes at other sizes: pairs, memory and time, and a billion windows on one H200 or eight.

    python benchmarks/relcon_step.py --json step.json
    python benchmarks/relcon_scale.py --step step.json > scale.md

Measured here: bytes and read cost of a window in the store, memory of its entry in the index, activations that the
encoder keeps for the backward pass, and whole steps at a few sizes. Taken from the file of ``relcon_step.py``: pairs
and windows a second. Counted: floating-point operations. Assumed, and marked so: everything about a GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinelet.corpus import BuildConfig, Corpus, build
from kinelet.corpus.blocks import BlockSampler
from kinelet.corpus.samplers import RandomSampler
from kinelet.corpus.within import WithinSampler
from kinelet.encoders.registry import create_encoder
from relcon_step import cpu_name
from relcon_work import Size, Work, recordings, relcon

WINDOWS = 1e9
PEOPLE = 87_376
HOURS = 8

# --- counted: multiplications and additions, as 2 a multiply-add; T 256, width 64, 3 axes ----------------------------

ENCODER_FLOP = 449e6  # a window, forward; twice that again for the backward pass
KEY_VALUE_FLOP = 2 * 9.86e6  # a candidate: two stacks of convolutions
QUERY_FLOP = 8.4e6  # a pair: the query stack behind its first layer
ATTENTION_FLOP = 8.4e6 + 0.4e6  # a pair: scores, and three output axes mixed

# --- assumed: nothing of this is measured -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Assumed:
    """A GPU, and how much of it the code gets.

    Attributes:
        peak: Dense bf16 operations a second, as the maker publishes for the H200 (SXM).
        memory: Bytes, as published.
        low, middle, high: Shares of the peak that narrow convolutions of short windows may reach.
        scaling: What eight give, over eight times one.
    """

    peak: float = 989e12
    memory: float = 141e9
    low: float = 0.1
    middle: float = 0.25
    high: float = 0.4
    scaling: float = 0.9


# --- measured ---------------------------------------------------------------------------------------------------------


def store(folder: Path) -> dict[str, float]:
    """Cost of a window in the store and in the index, from a corpus of 40 hours of 40 people."""
    size = Size(people=40, windows=1406)
    made = list(recordings(size))
    cpu, _ = _clock(lambda: build(made, folder / "store", BuildConfig(quality=False)))
    on_disk = sum(f.stat().st_size for f in (folder / "store").rglob("*") if f.is_file())
    windows = Corpus.open(folder / "store").windows(2.56)
    held = {
        "windows": _held(lambda: (windows.subject, windows.recording, windows.start, windows.hour)),
        "RandomSampler": _held(lambda: RandomSampler(windows, 64)),
        "WithinSampler": _held(lambda: WithinSampler(windows, 40, 20)),
        "BlockSampler": _held(lambda: BlockSampler(windows, 40, 21)),
    }
    held = {f"index bytes, {name}": size / len(windows) for name, size in held.items()}
    index = np.random.default_rng(0).integers(0, len(windows), (400, 1344))
    reading, _ = _clock(lambda: [windows.gather(i) for i in index])
    sampler = BlockSampler(windows, 40, 21)
    drawing, _ = _clock(lambda: [sampler.draw(i) for i in range(50)])
    n = len(windows)
    return held | {
        "bytes on disk": on_disk / n,
        "built a CPU second": n / cpu,
        "read a CPU second": index.size / reading,
        "drawn a CPU second (BlockSampler)": 50 * 840 / drawing,
    }


def _held(make: Callable[[], Any]) -> float:
    """Bytes that are held as long as what is made is."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del kept
    return float(size)


def _clock(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    out = work()
    return time.process_time() - begun, out


def kept_bytes(precision: str, windows: int = 16) -> float:
    """Bytes a window that the encoder keeps for the backward pass."""
    encoder = create_encoder("resnet1d_34", channels=3).train()
    own = {p.untyped_storage().data_ptr() for p in encoder.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    def total(count: int) -> int:
        seen.clear()
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"),
        ):
            z = encoder(torch.randn(count, 3, 256))
        found = sum(seen.values())
        del z
        return found

    return (total(2 * windows) - total(windows)) / windows


def step_seconds(folder: Path, batch: int, candidates: int, *, every: bool = False) -> float:
    """Seconds a step takes here, float32, the better of two after a first one."""
    size = Size(batch=batch, candidates=candidates, people=max(batch, 2), windows=candidates + 2)
    contender = relcon(Work(folder / f"b{batch}k{candidates}", size), every=every)
    return min(contender.turn(1)["wall_s"] for _ in range(3))


# --- tables -----------------------------------------------------------------------------------------------------------


def flop(batch: int, candidates: int, every: bool) -> tuple[float, float]:
    """Operations of a step: of the distance, of the encoder forward and backward."""
    size = Size(batch=batch, candidates=candidates)
    pairs = size.pairs_every if every else size.pairs
    distance = size.encoded * KEY_VALUE_FLOP + pairs * (QUERY_FLOP + ATTENTION_FLOP)
    return distance, 3 * size.encoded * ENCODER_FLOP


def table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def steps_table(
    rates: dict[str, float], kept: dict[str, float], folder: Path, checked: Sequence[tuple[int, int]]
) -> str:
    rows = []
    for every in (False, True):
        for batch, candidates in ((16, 5), (16, 20), (64, 5), (64, 20), (64, 100), (256, 20), (1024, 20)):
            size = Size(batch=batch, candidates=candidates)
            anchors, pairs = (size.encoded, size.pairs_every) if every else (size.batch, size.pairs)
            seconds = pairs / rates["pairs"] + size.encoded / rates["windows"]
            found = (
                f"{step_seconds(folder, batch, candidates, every=every):.2f}" if (batch, candidates) in checked else ""
            )
            memory = [size.encoded * kept[p] / 1e9 for p in ("fp32", "bf16")]
            rows.append(
                [
                    "every window" if every else "published",
                    *(f"{n:,}" for n in (batch, candidates, size.encoded, anchors, pairs)),
                    f"{pairs / anchors:,.0f}",
                    f"{pairs * 4 / 1e6:,.2f}",
                    f"{memory[0]:,.1f} / {memory[1]:,.1f}",
                    f"{seconds:,.2f}",
                    found,
                    f"{anchors / seconds:,.1f}",
                ]
            )
    head = ["anchors are", "batch", "candidates", "windows encoded", "anchors", "pairs", "pairs an anchor"]
    head += ["distances, MB", "activations, GB (fp32 / bf16)", "s a step", "measured", "anchors/s"]
    return table(head, rows)


def billion_table(bytes_kept: float, gpu: Assumed) -> str:
    """One pass in which each of a billion windows is an anchor once (published) or encoded once (every window)."""
    rows = []
    for name, batch, every, cached in (
        ("published, 64 anchors", 64, False, False),
        ("every window an anchor, 64 groups", 64, True, False),
        ("every window, distances cached", 64, True, True),
    ):
        size = Size(batch=batch)
        distance, encoder = flop(batch, 20, every)
        per_anchor = ((0 if cached else distance) + encoder) / (size.encoded if every else size.batch)
        hours = [WINDOWS * per_anchor / (gpu.peak * share) / 3600 for share in (gpu.low, gpu.middle, gpu.high)]
        eight = [h / 8 / gpu.scaling for h in hours]
        rate = 1e9 / (hours[1] * 3600) * (1 if every else 1 + size.candidates)
        rows.append(
            [
                name,
                f"{per_anchor / 1e9:.1f}",
                f"{WINDOWS * per_anchor:.1e}",
                *(" / ".join(f"{h:,.1f}" for h in both) for both in (hours, eight)),
                f"{rate:,.0f}",
                f"{rate * 1536 / 1e9:.2f}",
                f"{size.encoded * bytes_kept / 1e9:.1f}",
            ]
        )
    head = ["kind", "GFLOP an anchor", "FLOP in all", "hours, one H200", "hours, eight", "windows/s to read (one)"]
    return table([*head, "GB/s to read (one)", "activations, GB"], rows)


def store_table(found: dict[str, float]) -> str:
    index = {k: v for k, v in found.items() if k.startswith("index")}
    rows = [
        [
            "a window in the store",
            f"{found['bytes on disk']:,.0f} bytes",
            f"{found['bytes on disk'] * WINDOWS / 1e12:.2f} TB",
        ],
        ["built", f"{found['built a CPU second']:,.0f} windows a CPU second", _cpu_hours(found["built a CPU second"])],
        [
            "read at random, warm",
            f"{found['read a CPU second']:,.0f} windows a CPU second",
            _cpu_hours(found["read a CPU second"]),
        ],
        [
            "groups drawn",
            f"{found['drawn a CPU second (BlockSampler)']:,.0f} windows a CPU second",
            _cpu_hours(found["drawn a CPU second (BlockSampler)"]),
        ],
        *([name, f"{v:,.0f} bytes a window", f"{v * WINDOWS / 1e9:,.0f} GB"] for name, v in index.items()),
    ]
    return table(["what", "measured", "a billion windows"], rows)


def _cpu_hours(rate: float) -> str:
    return f"{WINDOWS / rate / 3600:,.1f} CPU hours"


def rates_of(files: Sequence[Path]) -> dict[str, float]:
    """Pairs and windows a second, float32."""
    parts: dict[str, Any] = {}
    for file in files:
        parts |= json.loads(file.read_text())["parts"]
    return {
        "pairs": parts["distance"]["contenders"]["kinelet fp32"]["pairs_per_s"],
        "windows": parts["stage 2, other ways"]["contenders"]["cached distance fp32"]["windows_per_s"],
    }


def main(given: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=Path, nargs="+", required=True, help="files that relcon_step.py --json wrote")
    parser.add_argument("--check", type=int, default=2, help="how many sizes to measure as well, smallest first")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    rates, gpu = rates_of(args.step), Assumed()
    kept = {p: kept_bytes(p) for p in ("fp32", "bf16")}
    checked = ((16, 5), (16, 20), (64, 5))[: args.check]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        print(f"{cpu_name()}, {args.threads} threads, torch {torch.__version__}\n")
        print(f"pairs/s {rates['pairs']:,.0f}, windows/s {rates['windows']:,.0f} (float32, forward and backward)")
        print(f"activations {kept['fp32'] / 1e6:.2f} MB a window in float32, {kept['bf16'] / 1e6:.2f} in bf16\n")
        print(store_table(store(folder)))
        print(steps_table(rates, kept, folder, checked))
        print(f"{gpu}\n")
        print(billion_table(kept["bf16"], gpu))


if __name__ == "__main__":
    main(sys.argv[1:])
