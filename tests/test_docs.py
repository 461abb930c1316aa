"""The documentation says what the code does: blocks compile and run, commands, links and names exist."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import typer
import yaml

from kinelet.cli.app import app
from kinelet.datasets.registry import list_datasets
from kinelet.encoders.registry import create_encoder
from kinelet.evaluate.metrics import METRICS
from kinelet.functional import PRESETS
from kinelet.methods.registry import MethodInfo
from kinelet.readers.card import CsvCard, LabelCard, TableCard, TimeCard, load_card
from kinelet.readers.registry import READERS, Reader

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("README.md")])
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<body>.*?)^ *```$", re.M | re.S)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *kinds: str) -> list[str]:
    return [m["body"] for m in BLOCK.finditer(path.read_text(encoding="utf-8")) if m["kind"] in kinds]


def every(*kinds: str) -> list[Any]:
    return [pytest.param(b, id=f"{name_of(p)}-{i}") for p in PAGES for i, b in enumerate(blocks(p, *kinds))]


def commands(path: Path) -> Iterator[str]:
    """Every command of kinelet on a page: in blocks one a line, in the text between backquotes."""
    text = path.read_text(encoding="utf-8")
    for match in BLOCK.finditer(text):
        if match["kind"] in ("", "console", "bash", "sh", "shell", "make"):
            joined = match["body"].replace("\\\n", " ")
            lines = (line.strip().removeprefix("$ ") for line in joined.splitlines())
            yield from (line for line in lines if line.startswith("kinelet "))
    yield from (" ".join(c.split()) for c in re.findall(r"`(kinelet [^`]+)`", BLOCK.sub("", text)))


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", BLOCK.sub("", path.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in heads}


def wrong(command: str) -> str:
    """What is wrong with a command of kinelet, empty if nothing is: names and options, not values."""
    words = [w for w in shlex.split(command, comments=True) if w != "--debug"][1:]
    node: Any = typer.main.get_command(app)
    while words and not words[0].startswith("-") and hasattr(node, "commands"):
        if words[0] not in node.commands:
            return f"no command {words[0]!r}"
        node = node.commands[words.pop(0)]
    known = {o: p for p in node.params for o in (*p.opts, *p.secondary_opts)} | {"--help": None}
    given = 0
    while words:
        word, equals, _ = words.pop(0).partition("=")
        if not word.startswith("--"):
            given += not word.startswith("…")
        elif word not in known:
            return f"{node.name} has no option {word}"
        elif not equals and known[word] is not None and not known[word].is_flag and not words:
            return f"{word} lacks its value"
        elif not equals and known[word] is not None and not known[word].is_flag:
            words.pop(0)
    places = [p for p in node.params if p.param_type_name == "argument"]
    if given > len(places) and all(p.nargs != -1 for p in places):
        return f"{node.name} takes {len(places)} arguments, not {given}"
    return ""


def run_block(body: str, name: str) -> ModuleType:
    """A block of a page as a module."""
    module = ModuleType(name)
    exec(compile(body, name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("body", every("python"))
def test_python_blocks_compile(body: str) -> None:
    compile(body, "block", "exec")


@pytest.mark.parametrize("body", every("yaml"))
def test_yaml_blocks_are_mappings(body: str) -> None:
    assert isinstance(yaml.safe_load(body), dict)


@pytest.mark.parametrize("command", [pytest.param(c, id=f"{name_of(p)}: {c}") for p in PAGES for c in commands(p)])
def test_commands_exist_with_their_options(command: str) -> None:
    assert wrong(command) == ""


@pytest.mark.parametrize(
    "command",
    [
        "kinelet raed FILE",
        "kinelet corpus destroy",
        "kinelet read FILE --plt x.png",
        "kinelet read FILE --plot",
        "kinelet report RUN other",
    ],
)
def test_the_check_of_commands_can_fail(command: str) -> None:
    assert wrong(command) != ""


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    dead = []
    for target in LINK.findall(BLOCK.sub("", path.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        if not page.exists() or (anchor and anchor not in anchors(page)):
            dead.append(target)
    assert dead == []


def test_navigation_and_pages_are_the_same() -> None:
    def files(node: Any) -> Iterator[str]:
        for child in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
            yield from [child] if isinstance(child, str) else files(child)

    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(files(nav)) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)$", (DOCS / "reference/index.md").read_text(), re.M))
def test_names_in_the_reference_exist(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    is_module = importlib.util.find_spec(module) is not None and _is_module(name)
    assert is_module or hasattr(importlib.import_module(module), attribute)


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_tables_of_the_tutorial_show_every_metric_that_evaluate_prints() -> None:
    tables = [b for b in blocks(DOCS / "tutorial.md", "console") if "$ kinelet evaluate" in b and "┃" in b]
    heads = [" ".join(re.findall(r"[\w'-]+", table.partition("┡")[0])) for table in tables]
    assert len(heads) == 2 and all("macro-F1" in h and "Cohen's kappa" in h for h in heads)
    assert set(METRICS["classes"]) == {"macro_f1", "balanced_accuracy", "accuracy", "kappa"}


def test_no_page_names_places_of_one_machine() -> None:
    found = [name_of(p) for p in PAGES if re.search(r"(?<![\w.])/(work|tmp|opt|home|root)/", p.read_text())]
    assert found == []


def test_the_page_of_datasets_is_the_one_that_the_cards_make() -> None:
    spec = importlib.util.spec_from_file_location("make_datasets", DOCS / "make_datasets.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (DOCS / "datasets.md").read_text(encoding="utf-8") == maker.page()


@pytest.mark.parametrize("name", list_datasets())
def test_every_dataset_has_a_section(name: str) -> None:
    assert name in anchors(DOCS / "datasets.md")


@pytest.mark.parametrize("reader", READERS.values(), ids=lambda r: r.name)
def test_every_option_of_a_reader_is_documented(reader: Reader) -> None:
    rows = [r for r in (DOCS / "data-formats.md").read_text().splitlines() if r.startswith("| `")]
    mine = "\n".join(r for r in rows if f"`{reader.name}`" in r.split("|")[1])
    options = [o for o in reader.options() if o not in ("subject", "card")]
    assert [o for o in options if f"`{o}`" not in mine] == []


@pytest.mark.parametrize("model", [TableCard, TimeCard, LabelCard, CsvCard])
def test_every_field_of_a_card_is_documented(model: type[TableCard]) -> None:
    text = (DOCS / "cards.md").read_text()
    assert [f for f in model.model_fields if not re.search(rf"\b{f}\b", text)] == []


@pytest.mark.parametrize("body", [b for p in (DOCS / "cards.md", DOCS / "tutorial.md") for b in blocks(p, "yaml")])
def test_cards_in_the_docs_are_valid(body: str) -> None:
    content = yaml.safe_load(body)
    assert "channels" not in content or load_card(content).channels


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (DOCS / "augmentations.md").read_text()


def test_augmentations_of_the_page_run() -> None:
    module = run_block(blocks(DOCS / "augmentations.md", "python")[0], "augmentations")
    assert module.view.shape == (8, 6, 250)


def test_the_reader_of_the_howto_reads(tmp_path: Path) -> None:
    module = run_block(blocks(DOCS / "howto/reader.md", "python")[0], "reader")
    values = np.r_[50.0, np.tile([0.0, 0.0, 9.80665], 100)].astype("<f4")
    (tmp_path / "p1.myd").write_bytes(b"MYD1" + values.tobytes())
    rec = module.read_mydevice(tmp_path / "p1.myd")
    assert rec.subject == "p1" and np.allclose(rec.data, [0, 0, 1], atol=1e-6)


def test_the_dataset_of_the_howto_loads(tmp_path: Path) -> None:
    module = run_block(blocks(DOCS / "howto/dataset.md", "python")[0], "dataset")
    rows = "\n".join(f"0,0,9.80665,{'walk' if i < 50 else 'sit'}" for i in range(100))
    (tmp_path / "p01_walk.csv").write_text(f"x,y,z,label\n{rows}\n")
    [rec] = module.DATASET.load(tmp_path)
    assert [(a.label, a.start_s, a.stop_s) for a in rec.annotations] == [("walk", 0.0, 1.0), ("sit", 1.0, 2.0)]


def test_the_method_of_the_howto_learns() -> None:
    module = run_block(blocks(DOCS / "howto/method.md", "python")[0], "method")
    method = module.Align(create_encoder("resnet1d_small", channels=3, widths=(8, 16)), module.AlignConfig())
    batch = {"x": torch.randn(8, 3, 125), "generators": [torch.Generator().manual_seed(s) for s in range(2)]}
    method(batch)["loss"].backward()
    assert [n for n, p in method.named_parameters() if p.grad is None] == []


def test_the_records_of_the_howtos_have_the_registries_fields() -> None:
    reader = blocks(DOCS / "howto/reader.md", "python")[1]
    method = blocks(DOCS / "howto/method.md", "python")[1]
    space = {"Reader": Reader, "MethodInfo": MethodInfo, "Pair": tuple, "sniff": type("S", (), {"is_mydevice": bool})}
    exec(compile(f"r = {reader}\n{method.replace('MethodInfo(', 'm = MethodInfo(')}", "records", "exec"), space)
    assert (space["r"].name, space["m"].name) == ("mydevice", "align")  # type: ignore[attr-defined]
