"""One step of InfoMAE's second stage: kinelet against the published design, and its memory.

    python benchmarks/infomae_step.py                          # some minutes on two cores
    python benchmarks/infomae_step.py --quick                  # tiny steps: does everything run?
    python benchmarks/infomae_step.py --only kinelet --json step.json
    python benchmarks/infomae_step.py --profile kinelet
    python benchmarks/infomae_step.py --device cuda            # steps at PAMAP2's size, and at MOD's in bf16

The size is PAMAP2's: accelerometer, gyroscope and magnetometer, windows of 2 s at 100 Hz, 64 moments a step in
sequences of 4, by kinelet's own loader. The published design is a transcription of our own from the formulas: Swin
networks on two-sided spectra, ten critics, two of the three modalities, as in the figures of the public code's design
that are shown beside it; kinelet aligns all three. Contenders take turns, and medians over turns are shown; ratios are
medians over rounds, so that what disturbs the machine for a while disturbs all. Both sides keep memory that is freed
for the next step. CPU seconds are what counts: they depend less on what else runs than wall time does.

Memory is that of a fresh process at 256 moments a step: its peak, less what it held before the first step. On a GPU
steps at MOD's published size show windows a second in bf16, what the GPU holds, and which kernels take the time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from infomae_work import CONTENDERS, MOD_CONTENDERS, QUICK, Contender, PublishedMod, Size, Work
from relcon_step import cpu_name

#: CPU seconds of a step of 64 and of 256 that were measured on the public code's design elsewhere: our reading of
#: stage 2 on it, and its own pretraining (FOCAL).
REFERENCE = {"stage 2, ten critics": {64: 3.64, 256: 13.8}, "FOCAL": {64: 2.25}}
MEMORY_BATCH, MEMORY_GIB, SHARE = 256, 8.0, 1 / 3
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


def summary(contenders: dict[str, Contender], turns: Turns, batch: int) -> dict[str, dict[str, float]]:
    """Medians of each contender, its share of the first one's cost, and of the figures to beat."""
    first, rows = next(iter(turns)), {}
    for name, mine in turns.items():
        row = {key: statistics.median(t[key] for t in mine) for key in mine[0]}
        row["cpu_s_least"] = min(t["cpu_s"] for t in mine)
        row["windows_per_s"] = batch * len(contenders[name].work.specs) / row["wall_s"]
        row["millions"] = contenders[name].parameters / 1e6
        row["share"] = statistics.median(b["cpu_s"] / a["cpu_s"] for a, b in zip(turns[first], mine, strict=True))
        for told, figures in REFERENCE.items():
            if batch in figures:
                row[f"share of {told}"] = row["cpu_s"] / figures[batch]
        rows[name] = row
    return rows


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a Markdown table."""
    told = [key for key in next(iter(rows.values())) if key.startswith("share of ")]
    heads = [title, "parameters, M", "CPU s", "least", "s a step", "waiting", "share of the first's CPU", *told]
    print("| " + " | ".join(heads) + " |\n| " + " | ".join(["---"] * len(heads)) + " |")
    for name, row in rows.items():
        cells = [name, f"{row['millions']:.2f}", f"{row['cpu_s']:.2f}", f"{row['cpu_s_least']:.2f}"]
        cells += [f"{row['wall_s']:.2f}", f"{row['wait_share']:.1%}", f"{row['share']:.2f}"]
        print("| " + " | ".join([*cells, *(f"{row[key]:.2f}" for key in told)]) + " |")
    print(flush=True)


def peak_gib(name: str, folder: Path, args: argparse.Namespace) -> float:
    """Memory that steps of a contender need, measured in a process of its own."""
    command = [sys.executable, __file__, "--peak-of", name, "--folder", str(folder), "--threads", str(args.threads)]
    done = subprocess.run([*command, *(["--quick"] if args.quick else [])], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def peak_here(name: str, args: argparse.Namespace) -> float:
    """Peak of this process over two steps, less what it held before them."""
    size = Size(**QUICK) if args.quick else Size(batch=MEMORY_BATCH)
    contender = CONTENDERS[name](Work(args.folder, size))
    before = _held("VmRSS")
    contender.turn(2)
    return _held("VmHWM") - before


def _held(key: str) -> float:
    """What the system says of this process, in GiB; unlike ``getrusage`` it forgets what came before it started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) / 2**20


def on_gpu(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Windows a second at MOD's published size, memory, and the kernels that take the time."""
    work = PublishedMod(folder, Size(batch=8 if args.quick else MEMORY_BATCH), args.device)
    found: dict[str, Any] = {}
    for name, make in MOD_CONTENDERS.items():
        torch.cuda.reset_peak_memory_stats()
        contender = make(work)
        contender.turn(args.warm_up)
        turns = {name: [contender.turn(args.steps) for _ in range(args.repeats)]}
        row = summary({name: contender}, turns, work.size.batch)[name]
        row["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        found[name] = row
        print(
            f"MOD, {name}: {row['windows_per_s']:,.0f} windows/s, {1e3 * row['wall_s']:.0f} ms a step of which "
            f"{1e3 * row['cpu_s']:.0f} ms of CPU, {row['peak_gib']:.1f} GiB"
        )
        profile(contender)
        del contender
    return found


def profile(contender: Contender, steps: int = 2, rows: int = 15) -> None:
    """Print where the steps of a contender spend their time, operator by operator, as a Markdown table."""
    contender.turn(2)
    cuda = contender.work.device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=kinds) as found:
        spent = contender.turn(steps)
    key = "self_device_time_total" if cuda else "self_cpu_time_total"
    events = sorted(found.key_averages(), key=lambda e: getattr(e, key), reverse=True)
    total = sum(getattr(e, key) for e in events)
    busy = total / 1e6 / (spent["wall_s"] * steps)
    print(f"{'GPU' if cuda else 'operators'} busy {busy:.0%} of the time")
    print("| operator | share | ms a step | calls a step |\n| --- | --- | --- | --- |")
    for event in events[:rows]:
        mine = getattr(event, key)
        print(f"| {event.key[:80]} | {mine / total:.1%} | {mine / 1e3 / steps:.2f} | {event.count / steps:.0f} |")


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


def chosen(args: argparse.Namespace) -> list[str]:
    """Contenders that are timed; the first is the transcription."""
    return [name for i, name in enumerate(CONTENDERS) if i == 0 or not args.only or name in args.only]


def verdict(rows: dict[str, dict[str, float]], memory: dict[str, float]) -> dict[str, bool]:
    """Whether the default is as cheap and as small as it is to be."""
    found = {
        "a third of the figure for the published design": rows["kinelet"]["share of stage 2, ten critics"] <= SHARE
    }
    found["a third of the transcription"] = rows["kinelet"]["share"] <= SHARE
    return found | {f"{name}: within {MEMORY_GIB:g} GiB": peak <= MEMORY_GIB for name, peak in memory.items()}


def run(args: argparse.Namespace, folder: Path, console: Console) -> dict[str, Any]:
    """Time and show everything."""
    torch.set_num_threads(args.threads)
    report: dict[str, Any] = {"environment": environment(args), "batches": {}}
    for batch in args.batch or ([QUICK["batch"]] if args.quick else [64]):
        work = Work(folder, Size(**QUICK) if args.quick else Size(batch=batch), args.device)
        contenders = {name: CONTENDERS[name](work) for name in chosen(args)}
        turns = measure(contenders, args)
        rows = summary(contenders, turns, batch)
        report["batches"][batch] = {"contenders": rows, "turns": turns}
        show(f"batch {batch}", rows)
    if args.device == "cuda":
        report["mod"] = on_gpu(folder, args)
    else:
        report["peak_gib"] = {name: peak_gib(name, folder, args) for name in chosen(args) if name in args.memory}
        for name, peak in report["peak_gib"].items():
            print(f"{name}: {peak:.2f} GiB more at batch {QUICK['batch'] if args.quick else MEMORY_BATCH}")
    if 64 in report["batches"] and "kinelet" in report["batches"][64]["contenders"]:
        report["verdict"] = verdict(report["batches"][64]["contenders"], report.get("peak_gib", {}))
        console.print(report["verdict"], soft_wrap=True)
    report["environment"]["load_after"] = os.getloadavg()
    console.print(report["environment"], soft_wrap=True)
    return report


def arguments(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny steps, to see that everything runs")
    parser.add_argument("--batch", action="append", type=int, help="moments of a step; may be repeated (64)")
    parser.add_argument("--only", action="append", choices=list(CONTENDERS), help="this one and the transcription")
    parser.add_argument(
        "--memory",
        nargs="*",
        choices=list(CONTENDERS),
        default=["published design", "kinelet"],
        metavar="NAME",
        help="contenders whose memory is measured",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="rounds in which every contender has a turn")
    # The first step of a turn asks the system for the memory that the others use again.
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before the first that counts")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--profile", metavar="NAME", choices=list(CONTENDERS), help="show where a step's time goes")
    parser.add_argument("--peak-of", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main(given: list[str]) -> None:
    """Run the benchmark."""
    args = arguments(given)
    torch.set_num_threads(args.threads)
    if args.peak_of:
        print(peak_here(args.peak_of, args))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.profile:
            profile(CONTENDERS[args.profile](Work(Path(folder), Size(), args.device)))
            return
        report = run(args, Path(folder), Console())
        if args.json:
            args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
