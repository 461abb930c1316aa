"""One RelCon step: kinelet against a naive transcription, the same work in the same run.

    python benchmarks/relcon_step.py                      # about a quarter of an hour on two cores
    python benchmarks/relcon_step.py --quick              # a few tiny steps: do both sides agree?
    python benchmarks/relcon_step.py --part "stage 2" --repeats 7 --json step.json
    python benchmarks/relcon_step.py --profile "stage 2" "kinelet fp32"
    python benchmarks/relcon_step.py --device cuda

Before anything is timed, both sides must give the same distances, order, loss and gradient. Then contenders take turns
of a few steps each; medians over turns are shown, and ratios are medians over rounds, so that what disturbs the machine
for a while disturbs all. glibc gives the memory of every large tensor back to the system and asks for it again, which
costs more than the arithmetic; unless --default-allocator is given, the script starts itself again with the settings
that stop it, for both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

import relcon_naive as naive
from kinelet.distances.base import MotifDistance
from kinelet.methods.motif import Motif, MotifMethodConfig
from kinelet.methods.relcon import RelCon, RelConConfig
from relcon_work import CONTENDERS, QUICK, Contender, Size, Work

#: Steps in a turn.
STEPS = {"stage 1, softmax": 10, "stage 1, sparsemax": 10, "distance": 1, "stage 2": 1, "stage 2, other ways": 1}
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
Turns = dict[str, list[dict[str, float]]]


# --- do both sides compute the same? ---------------------------------------------------------------------------------


def agreement(work: Work) -> dict[str, float]:
    """Largest relative differences between the transcription and kinelet.

    Distances, order and loss of a whole step in float32; gradients of a part of it in float64, as float32 gradients
    of an untrained encoder are differences of large numbers.

    Raises:
        SystemExit: if they do not compute the same.
    """
    batch = work.batch(work.anchors, 0)
    x, candidates = (part.to(work.device) for part in work.fetch(0))
    if not (torch.equal(x, batch["x"]) and torch.equal(candidates, batch["candidates"])):
        raise SystemExit("the two layouts hold different windows")
    found = stage1_agreement(work)
    with torch.no_grad():
        sides = _Sides(work, torch.float32)
        theirs, ours = naive.distances(sides.network, x, candidates), sides.method.distances(batch)  # type: ignore[arg-type]
        found["distance"] = float(((ours - theirs).abs() / theirs).max())
        found["order"] = _disorder(theirs, ours)
        found["stage 2 loss"] = sides.losses(batch, theirs)[2]
    few = {key: batch[key][:8].double() if key in ("x", "candidates") else batch[key][:8] for key in batch}
    few["candidates"] = few["candidates"][:, :4]
    sides = _Sides(work, torch.float64)
    loss, own, _ = sides.losses(few, naive.distances(sides.network, few["x"], few["candidates"]))
    found["stage 2 gradient"] = _gradient_gap(loss, sides.encoder, own, sides.method.encoder)
    for name, gap in found.items():
        if not gap < (1e-7 if "gradient" in name else 1e-5):
            raise SystemExit(f"kinelet and the transcription do not agree: {name} is off by {gap:.1e}")
    return found


class _Sides:
    """Both sides of stage 2, encoding in two passes, in one kind of number."""

    def __init__(self, work: Work, dtype: torch.dtype) -> None:
        self.network, self.encoder = work.naive_network().to(dtype), work.naive_encoder().to(dtype)
        config = RelConConfig(candidates=work.size.candidates, two_pass=True)
        self.method = RelCon(work.encoder(), config, MotifDistance(work.network().eval())).to(dtype).train()

    def losses(self, batch: dict[str, Any], distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Loss of the transcription, of kinelet, and their relative difference."""
        candidates = batch["candidates"]
        z, own = self.encoder(batch["x"]), self.encoder(candidates.flatten(0, 1))
        theirs = naive.ranking_loss(z, own.reshape(*candidates.shape[:2], -1), distance)
        ours = self.method(batch)["loss"]
        return theirs, ours, abs(float(ours.detach() / theirs.detach()) - 1)


def stage1_agreement(work: Work) -> dict[str, float]:
    """The same for rebuilding windows from augmented ones, in float64 and without dropout, in both attention modes."""
    windows = naive.fetch(work.files, work.single.draw(0).index.tolist())
    candidate = naive.augment(windows, np.random.default_rng(0)).to(work.device)
    windows, candidate = windows.to(work.device).double(), candidate.double()
    found = {}
    for attention in ("softmax", "sparsemax"):
        network, ours = work.naive_network(attention).double().eval(), work.network(attention).double().eval()
        loss = (network(windows, candidate) - windows).square().sum()
        method = Motif(ours, MotifMethodConfig(network=ours.config, loss="published"))
        total = method.rebuild_error(windows, candidate)[0].sum()
        found[f"{attention} stage 1 loss"] = abs(float(total.detach() / loss.detach()) - 1)
        found[f"{attention} stage 1 gradient"] = _gradient_gap(loss, network, total, ours)
    return found


def _gradient_gap(a: torch.Tensor, a_of: torch.nn.Module, b: torch.Tensor, b_of: torch.nn.Module) -> float:
    """Length of the difference of two gradients over the length of one."""
    first, second = (
        torch.cat([g.flatten() for _, g in sorted(_gradients(loss, module).items())])
        for loss, module in ((a, a_of), (b, b_of))
    )
    return float((first - second).norm() / first.norm())


def _gradients(loss: torch.Tensor, module: torch.nn.Module) -> dict[str, torch.Tensor]:
    named = {
        name.replace("norm.scale", "gamma").replace("norm.shift", "beta"): p for name, p in module.named_parameters()
    }
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


def _disorder(theirs: torch.Tensor, ours: torch.Tensor) -> float:
    """How far the transcription's distances fall anywhere in kinelet's order, relative: 0 for the same order."""
    along = theirs.gather(1, ours.argsort(dim=1, stable=True))
    fall = (along.cummax(dim=1).values - along) / along
    return float(fall.max())


# --- timing ----------------------------------------------------------------------------------------------------------


def measure(work: Work, parts: list[str], args: argparse.Namespace, console: Console) -> dict[str, Turns]:
    """Turns of every contender of every part, round after round."""
    found: dict[str, Turns] = {}
    for part in parts:
        steps = args.steps or STEPS[part]
        contenders = {name: make(work) for name, make in CONTENDERS[part].items() if wanted(name, args)}
        for name, contender in contenders.items():
            console.print(f"{part}, {name}: warming up", style="dim")
            contender.turn(args.warm_up * steps)
        found[part] = {name: [] for name in contenders}
        for _ in range(args.repeats):
            for name, contender in contenders.items():
                found[part][name].append(contender.turn(steps) | rates(contender))
    return found


def wanted(name: str, args: argparse.Namespace) -> bool:
    """Whether a contender is timed."""
    return not (args.no_compile and "compiled" in name) and (not args.only or name == "naive" or name in args.only)


def rates(contender: Contender) -> dict[str, float]:
    """What a step is made of."""
    return {"anchors": contender.anchors, "pairs": contender.pairs, "windows": contender.encoded}


def summary(turns: Turns) -> dict[str, dict[str, float]]:
    """Medians and ratios of each contender of a part."""
    names = list(turns)
    out = {}
    for name in names:
        mine = {key: statistics.median(t[key] for t in turns[name]) for key in turns[name][0]}
        for key in ("anchors", "pairs", "windows"):
            mine[f"{key}_per_s"] = mine[key] / mine["wall_s"]
        both = list(zip(turns[names[0]], turns[name], strict=True))
        mine["times_faster"] = statistics.median(a["wall_s"] / b["wall_s"] for a, b in both)
        mine["times_less_cpu"] = statistics.median(a["cpu_s"] / b["cpu_s"] for a, b in both)
        share = mine["anchors"] / turns[names[0]][0]["anchors"] if mine["anchors"] else 1.0
        mine["times_anchors_per_s"] = mine["times_faster"] * share
        out[name] = mine
    return out


def peak_mb(part: str, name: str, work: Work, args: argparse.Namespace) -> float:
    """Peak memory of a process that takes a turn; on CUDA, of the device."""
    command = [sys.executable, __file__, "--folder", str(work.folder), "--device", args.device]
    command += ["--peak-of", part, name, *(["--quick"] if args.quick else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def peak_here(part: str, name: str, work: Work) -> float:
    CONTENDERS[part][name](work).turn(STEPS[part])
    if work.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def profile(part: str, name: str, work: Work, rows: int = 15) -> None:
    """Print where a step of a contender spends its time, operator by operator, as a Markdown table."""
    contender = CONTENDERS[part][name](work)
    contender.turn(2)
    cuda = work.device.type == "cuda"
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if cuda else [])]
    with torch.profiler.profile(activities=kinds) as found:
        contender.turn(1)
    key = "self_device_time_total" if cuda else "self_cpu_time_total"
    events = sorted(found.key_averages(), key=lambda e: getattr(e, key), reverse=True)
    total = sum(getattr(e, key) for e in events)
    print(f"| {part}, {name} | share | s | calls |\n| --- | --- | --- | --- |")
    for event in events[:rows]:
        seconds = getattr(event, key)
        print(f"| {event.key} | {seconds / total:.1%} | {seconds / 1e6:.3f} | {event.count} |")


# --- what is shown ---------------------------------------------------------------------------------------------------


def show(part: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a Markdown table."""
    heads = ["s a step", "CPU s", "anchors/s", "pairs/s", "windows/s", "waiting for data", "peak MB"]
    heads = [part, *heads, "times faster", "times less CPU", "times the anchors/s"]
    print("| " + " | ".join(heads) + " |\n| " + " | ".join(["---"] * len(heads)) + " |")
    for name, row in rows.items():
        cells = [name, f"{row['wall_s']:.3f}", f"{row['cpu_s']:.2f}"]
        cells += [f"{row[f'{key}_per_s']:,.1f}" if row[key] else "" for key in ("anchors", "pairs", "windows")]
        cells += [f"{row['wait_share']:.1%}", f"{row['peak_mb']:,.0f}" if "peak_mb" in row else ""]
        cells += [f"{row[key]:.2f}" for key in ("times_faster", "times_less_cpu", "times_anchors_per_s")]
        print("| " + " | ".join(cells) + " |")
    print(flush=True)


def environment(args: argparse.Namespace, size: Size) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if args.device == "cuda" else cpu_name(),
        "allocator": {key: os.environ.get(key, "default") for key in TUNED},
        "load": os.getloadavg(),
        "batch": size.batch,
        "candidates": size.candidates,
        "samples": size.samples,
        "pairs": size.pairs,
        "encoded": size.encoded,
        "repeats": args.repeats,
        "steps": args.steps or STEPS,
    }


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def tune_allocator(args: argparse.Namespace, given: list[str]) -> None:
    """Start again with the allocator's settings, which are read when a process starts."""
    wanted = {} if args.default_allocator else TUNED
    wanted = wanted | {"OMP_NUM_THREADS": str(args.threads)}
    if any(os.environ.get(key) != value for key, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, __file__, *given], os.environ | wanted)


def arguments(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny steps, to see that both sides agree")
    parser.add_argument("--part", action="append", choices=list(CONTENDERS), help="only this part; may be repeated")
    parser.add_argument("--only", action="append", help="only this contender and the first; may be repeated")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="rounds in which every contender has a turn")
    parser.add_argument("--steps", type=int, help="steps in a turn; otherwise as many as the part needs")
    parser.add_argument("--warm-up", type=int, default=2, help="turns before the first that counts")
    parser.add_argument("--default-allocator", action="store_true", help="leave glibc's allocator as it is")
    parser.add_argument("--no-compile", action="store_true", help="leave out what needs a C++ compiler")
    parser.add_argument("--no-peak", action="store_true", help="do not measure memory, which takes a process each")
    parser.add_argument("--folder", type=Path, help="where to put windows; a temporary folder if not given")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--profile", nargs=2, metavar=("PART", "NAME"), help="show where a step's time goes instead")
    parser.add_argument("--peak-of", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(given)


def run(args: argparse.Namespace, folder: Path, console: Console) -> dict[str, Any]:
    """Check, time and show everything."""
    size = QUICK if args.quick else Size()
    torch.set_num_threads(args.threads)
    # float32 is to be float32 on a GPU too, on both sides.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    work = Work(folder, size, args.device)
    parts = args.part or list(CONTENDERS)
    report: dict[str, Any] = {"environment": environment(args, size), "agreement": agreement(work), "parts": {}}
    console.print(report["environment"], soft_wrap=True)
    console.print("largest relative differences:", {k: f"{v:.1e}" for k, v in report["agreement"].items()})
    for part, turns in measure(work, parts, args, console).items():
        rows = summary(turns)
        for name in rows if not args.no_peak else ():
            rows[name]["peak_mb"] = peak_mb(part, name, work, args)
        report["parts"][part] = {"contenders": rows, "turns": turns}
        show(part, rows)
    report["environment"]["load_after"] = os.getloadavg()
    return report


def main(given: list[str]) -> None:
    args = arguments(given)
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if args.peak_of:
        torch.set_num_threads(args.threads)
        print(peak_here(*args.peak_of, Work(folder, QUICK if args.quick else Size(), args.device)))
        return
    tune_allocator(args, given)
    try:
        if args.profile:
            torch.set_num_threads(args.threads)
            profile(*args.profile, Work(folder, QUICK if args.quick else Size(), args.device))
            return
        report = run(args, folder, Console())
        if args.json:
            args.json.write_text(json.dumps(report, indent=1))
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
