"""What follows from a configuration and the modalities of a run, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from kinelet.config import validate
from kinelet.errors import BadOptionError
from kinelet.methods.base import Modality
from kinelet.methods.primus_plan import Imu2ClipConfig, Plan, PrimusConfig, SlipConfig, make_plan, slug
from paired_tools import CLIP, TEXT, VIDEO

SKELETON = Modality("skeleton", 20, "utd-skeleton-dct")
SITE = Modality("body_site", 16, "other-sensor")


def plan(*modalities: Modality, **options: Any) -> Plan:
    config: Any = validate(PrimusConfig, options)
    return make_plan(config, modalities, 64)


def test_the_six_weights_follow_from_two() -> None:
    assert plan(TEXT, VIDEO, lam=0.25, w_nn=2).weights == pytest.approx(
        {"ss": 0.25, "text": 0.75, "video": 0.75, "nn_ss": 0.5, "nn_text": 1.5, "nn_video": 1.5}
    )


def test_a_weight_of_its_own_goes_over_them_and_nothing_drops_a_term() -> None:
    made = plan(TEXT, lam=0.5, weights={"ss": 0, "nn_text": 3})
    assert made.weights == {"text": 0.5, "nn_ss": 0.5, "nn_text": 3}


def test_heads_are_those_that_a_term_trains() -> None:
    assert plan(TEXT, lam=0).heads == {"mm": 12} and plan(TEXT, lam=1).heads == {"ss": 64}
    assert plan(TEXT, VIDEO, weights={"video": 0, "nn_video": 0}).heads == {"ss": 64, "mm": 12}


def test_each_space_has_a_head() -> None:
    assert plan(TEXT, VIDEO, SKELETON).heads == {"ss": 64, "mm_words": 12, "mm_pictures": 10, "mm_utd_skeleton_dct": 20}
    assert plan(TEXT, CLIP).heads == {"ss": 64, "mm": 12}


@pytest.mark.parametrize(
    ("modalities", "options", "want"),
    [
        ((TEXT, VIDEO), {}, ("video", "text")),
        ((VIDEO, SKELETON), {}, ("video", "skeleton")),
        ((SITE, SKELETON, TEXT, VIDEO), {}, ("video", "body_site", "skeleton", "text")),
        ((TEXT, SKELETON, SITE), {}, ("skeleton", "body_site", "text")),
        ((TEXT,), {}, ("text",)),
        ((TEXT, VIDEO), {"lam": 1}, ()),
        ((), {"lam": 1}, ()),
        ((TEXT, VIDEO), {"search": "text"}, ("text",)),
        ((TEXT, VIDEO), {"search": "motion"}, ()),
        ((TEXT, VIDEO), {"w_nn": 0}, None),
    ],
)
def test_neighbours_are_sought_by_what_is_seen_else_said_else_by_motion(
    modalities: tuple[Modality, ...], options: dict[str, Any], want: tuple[str, ...] | None
) -> None:
    assert plan(*modalities, **options).search == want


def test_what_is_only_searched_by_needs_no_head() -> None:
    made = plan(TEXT, lam=1, search="text")
    assert made.used == (TEXT,) and made.heads == {"ss": 64} and made.head_of == {}


@pytest.mark.parametrize(
    ("output", "want"),
    [
        (None, "mm_words"),
        ("video", "mm_pictures"),
        ("mm_pictures", "mm_pictures"),
        ("ss", "ss"),
        ("backbone", "backbone"),
    ],
)
def test_the_output_is_the_head_of_text_or_what_is_asked_for(output: str | None, want: str) -> None:
    assert plan(VIDEO, TEXT, output=output).output == want


def test_without_text_it_is_the_first_modality_and_without_any_the_unimodal_head() -> None:
    assert plan(SKELETON, VIDEO).output == "mm_utd_skeleton_dct" and plan(lam=1).output == "ss"


@pytest.mark.parametrize(
    ("modalities", "options", "told"),
    [
        ((), {}, "corpus annotate"),
        ((TEXT,), {"weights": {"vidoe": 1}}, "vidoe.*nn_text"),
        ((TEXT,), {"weights": dict.fromkeys(("ss", "text", "nn_ss", "nn_text"), 0)}, "weighs nothing"),
        ((TEXT,), {"search": "video"}, "'video'.*motion, text"),
        ((TEXT,), {"lam": 0, "search": "motion"}, "motion needs lam > 0"),
        ((TEXT,), {"output": "mn"}, "'mn'.*backbone, ss, mm, text"),
        ((Modality("ss", 4, "a"),), {}, "named ss"),
        ((Modality("nn_x", 4, "a"),), {}, "named nn_x"),
        ((TEXT, TEXT), {}, "named text"),
        ((TEXT,), {"queue": 64, "min_fill": 65}, "min_fill=65.*holds 64.*min_fill=64"),
        ((TEXT, Modality("video", 10, "words")), {}, "12 and 10 wide"),
        ((Modality("a", 4, "x-1"), Modality("b", 4, "X 1")), {}, "differ too little"),
    ],
)
def test_what_cannot_be_is_told(modalities: tuple[Modality, ...], options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadOptionError, match=rf"(?s){told}"):
        plan(*modalities, **options)


@pytest.mark.parametrize("kind", [Imu2ClipConfig, SlipConfig])
def test_alignment_needs_something_to_align_with(kind: Any) -> None:
    with pytest.raises(BadOptionError, match="nothing to align it with"):
        make_plan(kind(), (), 64)


@pytest.mark.parametrize(
    "options", [{"lam": 1.1}, {"w_nn": -1}, {"temperature": 0.001}, {"queue": 0}, {"overlap": "no"}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError, match=next(iter(options))):
        plan(TEXT, **options)


def test_spaces_become_names_of_heads() -> None:
    assert slug("all-MiniLM-L6-v2") == "all_minilm_l6_v2" and len(slug("x" * 200)) <= 60
