"""The report of a run of ``kinelet align``: how it went, and how its encoders were judged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kinelet.deploy.multimodal import Multimodal
from kinelet.evaluate.modalities_found import SEARCH
from kinelet.report import html, modalities, plots
from kinelet.report.html import Section
from kinelet.report.retrieval import load as load_searches

PROBE = "-modality_probe"
OWN = (PROBE, SEARCH)
"""How folders of results end that only runs of several modalities have."""
HELD_OUT, CRITIC = "held_out_", "accuracy_"
APART = ("lr", "windows_per_s")

Records = Sequence[Mapping[str, Any]]


def lead(model: Multimodal) -> str:
    """What the encoders are, in a sentence."""
    told = [
        f"{n} ({', '.join(model.of(n).spec.channels[:6])}{' …' if len(model.of(n).spec.channels) > 6 else ''} "
        f"at {model.of(n).spec.rate_hz:g} Hz)"
        for n in model.names
    ]
    pairs = model.card.get("pairs")
    from_pairs = f" from {pairs:,} pairs" if isinstance(pairs, int) else ""
    return f"{' and '.join(told)}, aligned by {model.card.get('method', 'an unknown method')}{from_pairs}."


def results(folder: Path) -> list[Section]:
    """Everything that ``kinelet evaluate --protocol modality_probe`` kept."""
    out = []
    for place in sorted((folder / "evaluation").glob("*/")):
        if place.name.endswith(PROBE):
            found, carried = modalities.load(place)
            out += [modalities.section(found)] if found else []
            out += [modalities.transfer_section(carried)] if carried else []
        elif place.name.endswith(SEARCH) and (searches := load_searches(place)):
            out.append(modalities.search_section(searches))
    return out


def training(records: Records) -> list[Section]:
    """Every term of the loss over the steps, and what critics say of pairs that were kept out."""
    if not records:
        return []
    out = []
    names = _names(records)
    terms = [k for k in names if k not in APART and not k.startswith((HELD_OUT, CRITIC, "rank_"))]
    if terms:
        caption = (
            "The loss, and its terms without their weights; a term may be negative where it stands for information. "
            "Last, the spread and the effective rank of the vectors."
        )
        out.append(Section("How training went", _figure(records, terms, caption)))
    critics = [k for k in names if k.startswith(HELD_OUT + CRITIC)]
    if critics:
        caption = (
            "What each critic gets right on pairs that are never trained on: joint from shuffled pairs (0.5 is "
            "chance), or, where the cross term matches windows with each other, the right one of all. Critics that "
            "are good in training and at chance here have learnt their pairs by heart."
        )
        out.append(Section("Critics on pairs kept out", _figure(records, critics, caption)))
    return out


def facts(model: Multimodal) -> Iterable[tuple[str, object]]:
    """What the card says."""
    for key, value in model.card.items():
        if isinstance(value, Mapping):
            yield key, ", ".join(f"{k}: {v}" for k, v in value.items())
        elif not isinstance(value, list) or key == "features":
            yield key, ", ".join(map(str, value)) if isinstance(value, list) else value


def _names(records: Records) -> list[str]:
    return list(dict.fromkeys(k for r in records for k in r if k != "step"))


def _figure(records: Records, names: Sequence[str], caption: str) -> str:
    """Small panels, four a row; a panel shows the steps that its number was logged at."""
    series = {}
    for name in names:
        here = [(r["step"], r[name]) for r in records if r.get(name) is not None and math.isfinite(r[name])]
        if here:
            series[name.removeprefix(HELD_OUT + CRITIC)] = here
    return html.figure(plots.panels(series), caption)
