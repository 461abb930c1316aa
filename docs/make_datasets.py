"""Write docs/datasets.md from the cards of all datasets: ``python docs/make_datasets.py``."""

from __future__ import annotations

from pathlib import Path

from kinelet.datasets.base import DatasetCard
from kinelet.datasets.registry import get_dataset, list_datasets

PAGE = Path(__file__).with_name("datasets.md")
HEAD = """\
# Datasets

kinelet reads these public sets from their publishers' own layout. It ships none of them. Licences are as far as they
are known; where a remark stands, ask the publisher before you publish.

```
kinelet corpus add NAME --raw FOLDER --out DIR
```

`FOLDER` holds the files as they come out of the publisher's archive. With `--download` they are fetched first, where
the card knows a checksum; otherwise the command says what to put where. *Traps* have misled users of a set; each line
says what the loader does about it or what is left to you.

This page is written by `python docs/make_datasets.py` from the cards in `kinelet.datasets`.

"""


def page() -> str:
    """The whole page."""
    cards = [get_dataset(name).card for name in list_datasets()]
    return HEAD + overview(cards) + "\n" + "\n".join(section(card) for card in cards)


def overview(cards: list[DatasetCard]) -> str:
    """One row a set."""
    rows = ["| name | title | people | sites | rates (Hz) | licence |", "| --- | --- | --- | --- | --- | --- |"]
    for c in cards:
        cells = (f"[{c.name}](#{c.name})", c.title, counted(c), ", ".join(c.sites), rates(c), c.licence)
        rows.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def rates(card: DatasetCard) -> str:
    """Nominal rates."""
    return ", ".join(f"{rate:g}" for rate in card.rates_hz)


def counted(card: DatasetCard) -> str:
    """How many people, or of what stands for them."""
    return str(card.people) if card.who == "people" else f"{card.people} {card.who}"


def section(card: DatasetCard) -> str:
    """Everything a card says."""
    facts = {
        "Cite": card.citation,
        "From": f"<{card.url}>" + (", `--download`" if card.download else ""),
        "Licence": card.licence,
        "Recorded": f"{card.people} {card.who}; {', '.join(card.sites)}; {rates(card)} Hz",
        f"Labels (track `{card.track}`)": ", ".join(f"`{label}`" for label in card.labels) or "values",
        "Files": card.layout,
    }
    lines = [f"* {name}: {value}" for name, value in facts.items()]
    traps = [f"    * {trap}" for trap in card.traps]
    return "\n".join([f"## {card.name}", "", f"**{card.title}**", "", *lines, "* Traps:", *traps, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
