"""What holds for every dataset of the registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kinelet.datasets import DATASETS, get_dataset, list_datasets
from kinelet.errors import BadFileError, BadOptionError
from kinelet.signal.recording import Recording
from layouts import LAYOUTS, Truth

Tree = tuple[str, Path, Truth, list[Recording]]


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    raw = tmp_path_factory.mktemp(request.param)
    truth = LAYOUTS[request.param](raw)
    return request.param, raw, truth, list(get_dataset(request.param).load(raw))


def probe(tree: Tree) -> Recording:
    return next(r for r in tree[3] if r.name == tree[2].name)


@pytest.mark.parametrize("name", list_datasets())
def test_card_says_what_a_user_must_know(name: str) -> None:
    card = get_dataset(name).card
    empty = [
        f
        for f in ("title", "licence", "citation", "sites", "rates_hz", "labels", "traps", "layout")
        if not getattr(card, f)
    ]
    assert not empty


@pytest.mark.parametrize("name", list_datasets())
def test_card_name_is_registry_name(name: str) -> None:
    assert get_dataset(name).card.name == name


@pytest.mark.parametrize("name", list_datasets())
def test_card_addresses_are_https(name: str) -> None:
    card = get_dataset(name).card
    assert all(u.startswith("https://") for u in (card.url, *(d.url for d in card.download)))


@pytest.mark.parametrize("name", list_datasets())
def test_labels_of_card_are_distinct(name: str) -> None:
    labels = get_dataset(name).card.labels
    assert len(set(labels)) == len(labels)


def test_every_dataset_has_a_layout_here() -> None:
    assert set(LAYOUTS) == set(DATASETS) - {"seglearn_watch"}


def test_titles_are_distinct() -> None:
    titles = [get_dataset(n).card.title for n in list_datasets()]
    assert len(set(titles)) == len(titles)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match="umafall"):
        get_dataset("nothing")


def test_listing_imports_no_loader() -> None:
    code = "import sys, kinelet.datasets as d; d.list_datasets(); print({'pyarrow', 'scipy'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_yields_all_recordings(tree: Tree) -> None:
    assert len(tree[3]) == tree[2].recordings


def test_names_are_unique(tree: Tree) -> None:
    assert len({r.name for r in tree[3]}) == len(tree[3])


def test_names_can_be_file_names(tree: Tree) -> None:
    assert not [r.name for r in tree[3] if set(r.name) & set("/\\: \t")]


def test_people_are_told_apart(tree: Tree) -> None:
    assert {r.subject for r in tree[3]} == tree[2].subjects


def test_people_carry_the_name_of_the_set(tree: Tree) -> None:
    assert all(r.subject.startswith(tree[0] + "_") for r in tree[3])


def test_samples_are_in_the_units_inside(tree: Tree) -> None:
    rec, truth = probe(tree), tree[2]
    np.testing.assert_allclose(rec.data, truth.data, atol=truth.tolerance)


def test_channels_fit_the_samples(tree: Tree) -> None:
    want = tree[2].units or ("g",) * 3 + ("rad/s",) * (tree[2].data.shape[1] - 3)
    assert probe(tree).spec.units == want


def test_rate_is_the_published_one(tree: Tree) -> None:
    assert probe(tree).spec.rate_hz == tree[2].rate_hz


def test_rates_are_on_the_card(tree: Tree) -> None:
    assert {r.spec.rate_hz for r in tree[3]} <= set(get_dataset(tree[0]).card.rates_hz)


def test_site_is_known(tree: Tree) -> None:
    assert probe(tree).spec.site == tree[2].site


def test_sites_are_on_the_card(tree: Tree) -> None:
    assert {r.spec.site for r in tree[3]} <= set(get_dataset(tree[0]).card.sites)


def test_labels_in_order(tree: Tree) -> None:
    track = get_dataset(tree[0]).card.track
    assert [a.label for a in probe(tree).annotations if a.track == track] == tree[2].labels


def test_labels_are_on_the_card(tree: Tree) -> None:
    card = get_dataset(tree[0]).card
    assert {a.label for r in tree[3] for a in r.annotations if a.track == card.track} <= set(card.labels)


def test_labels_lie_where_they_should(tree: Tree) -> None:
    track = get_dataset(tree[0]).card.track
    spans = [(a.start_s, a.stop_s) for a in probe(tree).annotations if a.track == track]
    np.testing.assert_allclose(spans, tree[2].spans, atol=1e-6)


def test_annotations_have_length(tree: Tree) -> None:
    moments = ("tag", "narration")
    timed = [a for r in tree[3] for a in r.annotations if a.track.split("/")[0] not in moments]
    short = [a for a in timed if a.stop_s <= a.start_s]
    assert not short


def test_annotations_carry_a_label_or_a_value(tree: Tree) -> None:
    assert all((a.label is None) != (a.value is None) for r in tree[3] for a in r.annotations)


def test_origin_is_recorded(tree: Tree) -> None:
    assert all(r.meta["dataset"] == tree[0] and r.meta["licence"] for r in tree[3])


def test_gap_free_trees_have_no_gaps(tree: Tree) -> None:
    assert not [r.name for r in tree[3] if r.gaps]


def test_parts_make_the_whole(tree: Tree) -> None:
    dataset = get_dataset(tree[0])
    names = [r.name for key in dataset.keys(tree[1]) for r in dataset.load(tree[1], key)]
    assert names == [r.name for r in tree[3]]


def test_unknown_part_is_an_option_error(tree: Tree) -> None:
    with pytest.raises(BadOptionError, match="no part 'nothing'"):
        next(get_dataset(tree[0]).load(tree[1], "nothing"))


def test_loading_twice_gives_the_same(tree: Tree) -> None:
    again = list(get_dataset(tree[0]).load(tree[1]))
    assert [(r.name, r.data.tobytes(), r.annotations) for r in again] == [
        (r.name, r.data.tobytes(), r.annotations) for r in tree[3]
    ]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_empty_folder_is_one_error_with_the_layout(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadFileError) as error:
        list(get_dataset(name).load(tmp_path))
    assert get_dataset(name).card.layout in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_missing_folder_is_one_error_with_the_layout(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="Expected"):
        get_dataset(name).keys(tmp_path / "nowhere")


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_folder_of_another_set_is_refused(name: str, tmp_path: Path) -> None:
    LAYOUTS["geotec" if name != "geotec" else "pamap2"](tmp_path)
    with pytest.raises(BadFileError, match="Expected"):
        list(get_dataset(name).load(tmp_path))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_empty_files_are_a_clear_error(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    with pytest.raises(BadFileError):
        list(get_dataset(name).load(tmp_path))


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_garbage_files_are_a_clear_error(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(BadFileError):
        list(get_dataset(name).load(tmp_path))


@pytest.mark.parametrize("share", [0.2, 0.65, 0.97])
@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_truncated_files_load_or_are_a_clear_error(name: str, share: float, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    try:
        loaded = list(get_dataset(name).load(tmp_path))
    except BadFileError as error:
        loaded = []
        assert "\n" not in str(error)
    assert all(np.isfinite(r.data).all() for r in loaded)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_part_loads_by_itself(name: str, tmp_path: Path) -> None:
    LAYOUTS[name](tmp_path)
    keys = get_dataset(name).keys(tmp_path)
    assert all(list(get_dataset(name).load(tmp_path, key)) for key in keys)
