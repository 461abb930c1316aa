"""Fixed towers of skeletons, depth clips and other sensors: what they ignore, what they keep; sentences of labels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from kinelet.datasets.registry import get_dataset
from kinelet.errors import BadFileError, BadOptionError
from kinelet.towers import open_tower
from kinelet.towers.base import embed_items
from kinelet.towers.depth import DepthTower
from kinelet.towers.motion import DIM, MotionTower
from kinelet.towers.phrases import list_sentences, read_sentences, sentences
from kinelet.towers.skeleton import SkeletonTower, over_time


def skeleton(frames: int = 40, seed: int = 0) -> np.ndarray:
    """A standing figure (mm) whose right arm goes up in a smooth motion."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 150, (20, 3))
    pose[1], pose[3], pose[4], pose[8] = (0, 500, 0), (0, 0, 0), (-200, 400, 10), (200, 400, -5)
    clip = np.repeat(pose[None], frames, axis=0)
    lift = 300 * np.sin(np.linspace(0, np.pi, frames)) ** 2
    clip[:, 9:12, 1] += lift[:, None]
    return np.asarray(clip)


def vector(clip: np.ndarray) -> np.ndarray:
    return SkeletonTower()([clip])[0]


def test_where_the_person_stands_does_not_matter() -> None:
    np.testing.assert_allclose(vector(skeleton() + np.array([900, -300, 2800])), vector(skeleton()), atol=1e-5)


def test_how_tall_the_person_is_does_not_matter() -> None:
    np.testing.assert_allclose(vector(skeleton() * 1.7), vector(skeleton()), atol=1e-5)


@pytest.mark.parametrize("angle", [0.5, -1.2, np.pi])
def test_where_the_person_faces_does_not_matter(angle: float) -> None:
    c, s = np.cos(angle), np.sin(angle)
    turned = skeleton() @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    np.testing.assert_allclose(vector(turned), vector(skeleton()), atol=1e-5)


def test_how_long_the_clip_is_hardly_matters() -> None:
    a, b = (vector(skeleton(n)) for n in (40, 90))
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999


def test_which_arm_moves_matters() -> None:
    other = skeleton()
    other[:, 5:8, 1] += other[:, 9:12, 1] - other[:1, 9:12, 1]
    other[:, 9:12] = other[:1, 9:12]
    a, b = embed_items(SkeletonTower(), [skeleton(), other], names=["right", "left"])
    assert a @ b < 0.1


def test_a_person_who_goes_down_is_seen_by_the_path_of_the_hip() -> None:
    sinking = np.repeat(skeleton()[:1], 40, axis=0)
    sinking[..., 1] -= np.linspace(0, 400, 40)[:, None]
    moved = np.abs(vector(sinking)).reshape(8, 21, 3).sum(axis=0)
    assert np.unravel_index(moved.argmax(), moved.shape) == (20, 1)


def test_a_figure_that_does_not_move_has_no_vector_and_is_named() -> None:
    with pytest.raises(BadFileError, match="'still'"):
        embed_items(SkeletonTower(), [np.repeat(skeleton()[:1], 9, axis=0)], names=["still"])


@pytest.mark.parametrize("shape", [(30, 20), (30, 19, 3), (1, 20, 3)])
def test_other_shapes_of_skeletons_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadFileError, match="skeleton"):
        SkeletonTower()([np.ones(shape)])


def test_a_skeleton_with_a_missing_value_is_refused() -> None:
    clip = skeleton()
    clip[3, 2, 1] = np.nan
    with pytest.raises(BadFileError, match="not finite"):
        SkeletonTower()([clip])


def test_a_skeleton_without_trunk_is_refused() -> None:
    with pytest.raises(BadFileError, match="trunk"):
        SkeletonTower()([np.ones((9, 20, 3))])


@pytest.mark.parametrize(("n", "frames"), [(2, 5), (7, 32), (32, 32), (90, 32)])
def test_interpolation_keeps_ends_and_straight_lines(n: int, frames: int) -> None:
    line = np.linspace(-1, 3, n)[:, None] * np.ones((1, 2))
    np.testing.assert_allclose(over_time(line, frames), np.linspace(-1, 3, frames)[:, None] * np.ones((1, 2)))


def blob(shift: int = 0, row: int = 20, frames: int = 16) -> np.ndarray:
    """A still body, and a hand that goes up beside it."""
    clip = np.zeros((frames, 60, 80), dtype=np.uint8)
    clip[:, 20:50, 30 + shift : 40 + shift] = 200
    for i in range(frames):
        clip[i, row + 20 - i : row + 24 - i, 42 + shift : 46 + shift] = 190
    return clip


def test_where_in_the_picture_the_person_stands_does_not_matter() -> None:
    a, b = embed_items(DepthTower(), [blob(), blob(20)], names=["a", "b"])
    assert a @ b > 0.999


def test_the_body_that_stands_still_does_not_matter() -> None:
    without = blob()
    without[:, 20:50, 30:40] = 0
    np.testing.assert_array_equal(DepthTower()([blob()]), DepthTower()([without]))


def test_up_is_not_down() -> None:
    a, b = embed_items(DepthTower(), [blob(), blob()[::-1]], names=["a", "b"])
    assert a @ b < 0.9


def test_a_depth_clip_in_which_nothing_moves_is_refused() -> None:
    with pytest.raises(BadFileError, match="nothing moves"):
        DepthTower()([np.full((16, 60, 80), 7)])


def test_other_sizes_of_depth_clips_are_refused() -> None:
    with pytest.raises(BadFileError, match="60 x 80"):
        DepthTower()([np.ones((16, 240, 320))])


def wave(frequency_hz: float, amplitude: float = 0.5, channel: int = 2, n: int = 125) -> np.ndarray:
    x = np.zeros((6, n))
    x[2] = 1.0
    x[channel] += amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(n) / 50)
    return x


@pytest.mark.parametrize(("frequency_hz", "band"), [(0.8, 0), (1.6, 1), (3.2, 2), (6.4, 3), (12.0, 4)])
def test_a_swing_shows_in_its_band_of_its_axis(frequency_hz: float, band: int) -> None:
    levels = MotionTower()([wave(frequency_hz, channel=0)])[0][3:-6].reshape(8, 5)
    assert (levels[0].argmax(), levels[:6].max(axis=1).argmax()) == (band, 0)


def test_a_decade_of_strength_is_one_unit() -> None:
    weak, strong = (MotionTower()([wave(1.6, a)])[0][3 + 2 * 5 + 1] for a in (1.0, 10.0))
    assert strong - weak == pytest.approx(1.0, abs=0.01)


def test_stillness_has_a_vector_and_gravity_is_in_it() -> None:
    still = MotionTower()([wave(1.6, 0.0)])[0]
    np.testing.assert_allclose(still[:3], [0, 0, 1])
    assert still.shape == (DIM,)


@pytest.mark.parametrize("shape", [(3, 125), (6, 100), (6,)])
def test_other_windows_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadFileError, match="motion"):
        MotionTower()([np.ones(shape)])


@pytest.mark.parametrize("name", list_sentences())
def test_every_label_of_a_set_has_about_five_different_sentences(name: str) -> None:
    said = sentences(name)
    assert set(get_dataset(name).card.labels) <= set(said)
    assert all(4 <= len(s) <= 6 and len(set(s)) == len(s) for s in said.values())


@pytest.mark.parametrize("name", list_sentences())
def test_no_sentence_of_a_set_stands_for_two_labels(name: str) -> None:
    groups = {frozenset(s) for s in sentences(name).values()}
    assert sum(map(len, groups)) == len(frozenset().union(*groups))


@pytest.mark.parametrize("name", list_sentences())
def test_cleaning_leaves_the_sentences_apart_and_whole(name: str) -> None:
    from kinelet.corpus.narrations import clean_sentence

    said = sorted({s for group in sentences(name).values() for s in group})
    assert [clean_sentence(s) for s in said] == [s.lower() for s in said]


@pytest.mark.parametrize("card", sorted((Path(__file__).parent / "cards").glob("utd_mhad.yaml")))
def test_labels_of_a_card_have_sentences(card: Path) -> None:
    import yaml

    named = yaml.safe_load(card.read_text())["labels"][0]["map"].values()
    assert set(named) == set(sentences(card.stem))


def test_unknown_set_names_those_there_are() -> None:
    with pytest.raises(BadOptionError, match="utd_mhad"):
        sentences("nonsense")


def test_a_file_of_ones_own_may_give_one_sentence_a_label(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("walk: someone walks\nsit: [a person sits, someone is seated]\n1: first\n")
    found = read_sentences(tmp_path / "s.yaml")
    assert found == {"walk": ("someone walks",), "sit": ("a person sits", "someone is seated"), "1": ("first",)}


@pytest.mark.parametrize("text", ["", "walk: []", "walk: [1]", "walk: ['']", "walk: {a: b}", "walk: [Same, same]"])
def test_files_that_are_no_sentences_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(BadOptionError):
        read_sentences(tmp_path / "s.yaml")


def cosines(names: list[str], vectors: np.ndarray) -> tuple[float, float, float]:
    """Mean cosine within and between actions over pairs of different people, and how often the nearest fits."""
    action, person = (np.array([int(re.findall(r"\d+", n)[i]) for n in names]) for i in (0, 1))
    cosine = vectors @ vectors.T
    other, same = person[:, None] != person, action[:, None] == action
    nearest = action[np.where(other, cosine, -2).argmax(axis=1)]
    return float(cosine[same & other].mean()), float(cosine[~same & other].mean()), float((nearest == action).mean())


def test_skeletons_of_one_action_are_alike_across_people(shared_data: Path) -> None:
    with np.load(shared_data / "utd_mhad" / "skeleton_mm_i16.npz", allow_pickle=False) as held:
        names = held.files[::3]
        vectors = embed_items(open_tower("skeleton"), [held[n] for n in names], names=names)
    within, between, nearest = cosines(names, vectors)
    assert within > between + 0.3
    assert nearest > 0.7


def test_depth_clips_of_one_action_are_alike_across_people(shared_data: Path) -> None:
    with np.load(shared_data / "utd_mhad" / "depth16x60x80_u8.npz", allow_pickle=False) as held:
        names, clips = held["clip"].tolist()[::3], held["video"][::3]
    within, between, nearest = cosines(names, embed_items(open_tower("depth"), clips, names=names))
    assert within > between + 0.15
    assert nearest > 0.45


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [
        ("classyglass/classyglass", "activity", "classyglass"),
        ("geotec/geotec", "label", "geotec"),
        ("umafall/umafall", "activity", "umafall"),
        ("uci_har/uci_har", "activity", "uci_har"),
    ],
)
def test_labels_in_the_data_have_sentences(shared_data: Path, table: str, column: str, name: str) -> None:
    import pyarrow.parquet as pq

    found = set(pq.read_table(shared_data / f"{table}.parquet", columns=[column])[column].unique().to_pylist())
    assert found <= set(sentences(name))


def test_a_file_of_sentences_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(
        BadOptionError, match=r"gone\.yaml: no such file of sentences.*utd_mhad.*label: \[sentence"
    ) as told:
        read_sentences(tmp_path / "gone.yaml")
    assert "recipe" not in str(told.value)
