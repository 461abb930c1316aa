"""One PRIMUS step: kinelet against a naive transcription, and against itself without the queue.

    python benchmarks/primus_step.py                          # some minutes on two cores
    python benchmarks/primus_step.py --quick                  # tiny steps: do both sides agree?
    python benchmarks/primus_step.py --batch 62 --repeats 9 --json step.json
    python benchmarks/primus_step.py --profile "kinelet"
    python benchmarks/primus_step.py --device cuda

Windows come from a corpus with two modalities, by kinelet's own loader, for kinelet; the transcription is handed the
same batches ready made. Before anything is timed, both must give the same neighbours, loss and gradient. Then
contenders take turns of a few steps each; medians over turns are shown, and ratios are medians over rounds, so that
what disturbs the machine for a while disturbs all. kinelet's loop keeps memory that is freed for the next step, as in
any run; the transcription has what torch and the system give it, and once the same as kinelet. Adam's step is part of
every step, and the queue is full.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from primus_work import CONTENDERS, QUICK, Contender, Size, Work, agreement
from relcon_step import cpu_name

#: Largest relative difference between both sides that still counts as the same; gradients are compared in float64.
SAME = {"loss": 1e-5, "gradient": 1e-7}
Turns = dict[str, list[dict[str, float]]]


def measure(contenders: dict[str, Contender], args: argparse.Namespace) -> Turns:
    """Turns of every contender, round after round."""
    turns: Turns = {name: [] for name in contenders}
    for contender in contenders.values():
        contender.turn(args.warm_up)
    for _ in range(args.repeats):
        for name, contender in contenders.items():
            turns[name].append(contender.turn(args.steps))
    return turns


def summary(turns: Turns, batch: int) -> dict[str, dict[str, float]]:
    """Medians of each contender, and its ratios to the transcription and to itself without the queue."""
    rows = {}
    for name, mine in turns.items():
        row = {key: statistics.median(t[key] for t in mine) for key in mine[0]}
        row["windows_per_s"] = batch / row["wall_s"]
        for other, key in (("naive", "times_faster"), (f"{name}, no queue", "queue_costs")):
            if other in turns:
                both = list(zip(turns[other], mine, strict=True))
                ratio = [(a["wall_s"] / b["wall_s"], a["cpu_s"] / b["cpu_s"]) for a, b in both]
                wall, cpu = (statistics.median(r) for r in zip(*ratio, strict=True))
                row |= (
                    {key: wall, f"{key}_cpu": cpu} if key == "times_faster" else {key: 1 / wall, f"{key}_cpu": 1 / cpu}
                )
        rows[name] = row
    return rows


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a Markdown table."""
    heads = [title, "ms a step", "CPU ms", "windows/s", "waiting for data", "times faster (CPU)", "with queue (CPU)"]
    print("| " + " | ".join(heads) + " |\n| " + " | ".join(["---"] * len(heads)) + " |")
    for name, row in rows.items():
        cells = [name, f"{1e3 * row['wall_s']:.1f}", f"{1e3 * row['cpu_s']:.0f}", f"{row['windows_per_s']:,.0f}"]
        cells.append(f"{row['wait_share']:.1%}")
        for key in ("times_faster", "queue_costs"):
            cells.append(f"{row[key]:.2f} ({row[f'{key}_cpu']:.2f})" if key in row else "")
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def profile(contender: Contender, steps: int = 5, rows: int = 25) -> None:
    """Print where the steps of a contender spend their time, operator by operator, as a Markdown table."""
    contender.turn(3)
    cuda = contender.work.device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=kinds) as found:
        contender.turn(steps)
    key = "self_device_time_total" if cuda else "self_cpu_time_total"
    events = sorted(found.key_averages(), key=lambda e: getattr(e, key), reverse=True)
    total = sum(getattr(e, key) for e in events)
    print("| operator | share | ms a step | calls a step |\n| --- | --- | --- | --- |")
    for event in events[:rows]:
        spent = getattr(event, key)
        print(f"| {event.key} | {spent / total:.1%} | {spent / 1e3 / steps:.2f} | {event.count / steps:.0f} |")


def environment(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if args.device == "cuda" else cpu_name(),
        "load": os.getloadavg(),
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "repeats": args.repeats,
        "steps": args.steps,
    }


def chosen(args: argparse.Namespace) -> dict[str, Callable[[Work], Contender]]:
    """Contenders that are timed."""
    return {name: make for name, make in CONTENDERS.items() if not args.only or name == "naive" or name in args.only}


def run(args: argparse.Namespace, folder: Path, console: Console) -> dict[str, Any]:
    """Check, time and show everything."""
    torch.set_num_threads(args.threads)
    # float32 is to be float32 on a GPU too, on both sides.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    report: dict[str, Any] = {"environment": environment(args), "batches": {}}
    for batch in args.batch or ([4] if args.quick else [16, 62]):
        size = Size(batch=batch, **QUICK) if args.quick else Size(batch=batch)
        work = Work(folder / str(batch), size, args.device)
        found = agreement(work)
        for name, gap in found.items():
            if not gap < SAME[name]:
                raise SystemExit(f"kinelet and the transcription do not agree: {name} is off by {gap:.1e}")
        console.print(f"batch {batch}, largest relative differences:", {k: f"{v:.1e}" for k, v in found.items()})
        turns = measure({name: make(work) for name, make in chosen(args).items()}, args)
        rows = summary(turns, batch)
        report["batches"][batch] = {"agreement": found, "contenders": rows, "turns": turns}
        show(f"batch {batch}", rows)
    report["environment"]["load_after"] = os.getloadavg()
    console.print(report["environment"], soft_wrap=True)
    return report


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny steps, to see that both sides agree")
    parser.add_argument("--batch", action="append", type=int, help="windows of a step; may be repeated (16 and 62)")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="this one and the transcription")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7, help="rounds in which every contender has a turn")
    parser.add_argument("--steps", type=int, default=5, help="steps in a turn")
    parser.add_argument("--warm-up", type=int, default=5, help="steps before the first that counts")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--profile", metavar="NAME", choices=list(CONTENDERS), help="show where a step's time goes")
    return parser.parse_args(given)


def main(given: list[str]) -> None:
    """Run the benchmark."""
    args = arguments(given)
    with tempfile.TemporaryDirectory() as folder:
        if args.profile:
            torch.set_num_threads(args.threads)
            work = Work(Path(folder), Size(batch=(args.batch or [16])[0]), args.device)
            profile(CONTENDERS[args.profile](work))
            return
        report = run(args, Path(folder), Console())
        if args.json:
            args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
