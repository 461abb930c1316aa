"""The table reader: cards, formats, clocks, labels, policies, and the real tables of tests/cards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinelet.errors import BadFileError, BadOptionError, KineletError
from kinelet.readers import read, read_many
from kinelet.readers.card import TableCard, load_card
from kinelet.readers.table import read_table, read_table_all
from kinelet.signal.recording import Recording

CARDS = Path(__file__).parent / "cards"
ACC_CARD: dict[str, Any] = {f"a{a}": {"name": f"acc_{a}", "unit": "g"} for a in "xyz"}
STANDARD_GRAVITY = 9.80665


def still(n: int = 20) -> dict[str, list[Any]]:
    return {"ax": [0.1] * n, "ay": [0.5] * n, "az": [1.0] * n}


def csv(
    path: Path, columns: Mapping[str, list[Any]], *, delimiter: str = ",", head: str = "", decimal: str = "."
) -> Path:
    rows = zip(*columns.values(), strict=True)
    body = "\n".join(delimiter.join(str(v).replace(".", decimal) for v in row) for row in rows)
    path.write_text(f"{head}{delimiter.join(columns)}\n{body}\n")
    return path


def parquet(path: Path, columns: Mapping[str, Any], scales: Mapping[str, float] | None = None) -> Path:
    table = pa.table(dict(columns))
    pq.write_table(table.replace_schema_metadata({"scales": json.dumps(dict(scales or {}))}), path)
    return path


def card(**fields: Any) -> dict[str, Any]:
    return {"channels": ACC_CARD, "rate_hz": 50, **fields}


def every(path: Path, **fields: Any) -> list[Recording]:
    return list(read_table_all(path, card(**fields)))


# formats -------------------------------------------------------------------------------------------------------------


def test_csv_becomes_a_recording(tmp_path: Path) -> None:
    rec = read_table(csv(tmp_path / "p7.csv", still()), card=card())
    np.testing.assert_array_equal(rec.data, np.tile(np.float32([0.1, 0.5, 1]), (20, 1)))
    assert (rec.subject, rec.spec.channels, rec.spec.rate_hz) == ("p7", ("acc_x", "acc_y", "acc_z"), 50)


def test_csv_options(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("junk\n# note\n0,25;0;1\n# note\n0,5;0;1\n")
    options = {"delimiter": ";", "decimal": ",", "skip_rows": 1, "comment": "#", "names": ["ax", "ay", "az"]}
    rec = read_table(path, card=card(csv=options))
    assert rec.data[:, 0].tolist() == [0.25, 0.5]


def test_csv_types_do_not_depend_on_the_first_rows(tmp_path: Path) -> None:
    n = 200_000  # more than one block of the parser
    columns = {"ax": [0] * n + [0.5], "ay": [0] * (n + 1), "az": [1] * (n + 1), "label": [""] * n + ["walk"]}
    rec = read_table(csv(tmp_path / "t.csv", columns), card=card(labels=[{"column": "label"}]))
    assert rec.data[-1, 0] == 0.5 and [a.label for a in rec.annotations] == ["walk"]


def test_parquet_scales_from_the_schema(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", {k: np.int16([0, 50, 100]) for k in ACC_CARD}, dict.fromkeys(ACC_CARD, 0.01))
    channels = {k: {**v, "scale": "schema"} for k, v in ACC_CARD.items()}
    rec = read_table(path, card=card(channels=channels))
    assert rec.data[:, 0].tolist() == [0.0, 0.5, 1.0] and rec.resolution == (0.01,) * 3


def test_parquet_without_the_scale_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", still())
    with pytest.raises(BadOptionError, match="no scale for 'ax'"):
        read_table(path, card=card(channels={"ax": {"name": "acc_x", "unit": "g", "scale": "schema"}}))


def test_parquet_that_claims_absurd_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path / "t.parquet", still())
    monkeypatch.setattr("kinelet.readers.columns.MAX_ROWS_PER_BYTE", 1e-4)
    with pytest.raises(BadFileError, match="claims 20 rows"):
        read_table(path, card=card())


def test_npz_items_are_recordings(tmp_path: Path) -> None:
    x = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3) / 30
    np.savez(tmp_path / "w.npz", X=x, y=np.array(["walk", "sit"]), who=np.array([4, 9]))
    channels = {f"X[{i}]": {"name": f"acc_{a}", "unit": "g"} for i, a in enumerate("xyz")}
    recs = every(tmp_path / "w.npz", channels=channels, subject={"column": "who"}, labels=[{"column": "y"}])
    np.testing.assert_array_equal(recs[1].data, x[1])
    assert [(r.subject, r.annotations[0].label) for r in recs] == [("4", "walk"), ("9", "sit")]


def test_npz_with_time_and_channel_axes_is_one_recording(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", X=np.ones((7, 3)))
    channels = {f"X[{i}]": {"name": f"acc_{a}", "unit": "g"} for i, a in enumerate("xyz")}
    assert read_table(tmp_path / "w.npz", card=card(channels=channels)).data.shape == (7, 3)


def test_npz_claiming_more_than_its_bytes_is_refused(tmp_path: Path) -> None:
    import io
    import zipfile

    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("ax.npy", buffer.getvalue() + bytes(64))
    with pytest.raises(BadFileError, match="claims shape"):
        read_table(tmp_path / "w.npz", card=card(channels={"ax": ACC_CARD["ax"]}))


def test_npz_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", ax=np.array([{}, 1], dtype=object))
    with pytest.raises(BadFileError, match="pickled"):
        read_table(tmp_path / "w.npz", card=card(channels={"ax": ACC_CARD["ax"]}))


# units and channels --------------------------------------------------------------------------------------------------


def test_units_become_g_and_rad_per_s(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {"a": [STANDARD_GRAVITY, 0.0], "w": [180.0, 0.0]})
    channels = {"a": {"name": "acc_x", "unit": "m/s^2"}, "w": {"name": "gyr_x", "unit": "deg/s"}}
    rec = read_table(path, card=card(channels=channels))
    np.testing.assert_allclose(rec.data[0], [1.0, np.pi], rtol=1e-6)
    assert rec.spec.units == ("g", "rad/s")


def test_scale_comes_before_the_unit(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {"a": [2000, 1]})
    rec = read_table(path, card=card(channels={"a": {"name": "acc_x", "unit": "mg", "scale": 0.5}}))
    assert rec.data[0, 0] == 1.0 and rec.resolution == pytest.approx((0.0005,))


def test_sensor_that_was_not_there_is_left_out_and_said(tmp_path: Path) -> None:
    columns = {**still(4), "gx": [0, 0, 0, 1.0], "rec": [1, 1, 2, 2]}
    channels = {**ACC_CARD, "gx": {"name": "gyr_x", "unit": "rad/s"}}
    recs = every(csv(tmp_path / "t.csv", columns), channels=channels, recording=["rec"], drop_channels_if_zero=["gx"])
    assert [len(r.spec.channels) for r in recs] == [3, 4]
    assert "no signal in gx" in recs[0].warnings[0]


def test_silent_axis_is_warned_of(tmp_path: Path) -> None:
    rec = read_table(csv(tmp_path / "t.csv", {**still(), "ax": [0] * 20}), card=card())
    assert any("ax: zero throughout" in w for w in rec.warnings)


@pytest.mark.parametrize(
    ("factor", "word"), [(9.81, "m/s^2"), (1000.0, "mg"), (1 / 9.81, "already divided"), (3.0, "check unit")]
)
def test_wrong_unit_is_named(tmp_path: Path, factor: float, word: str) -> None:
    columns = {"ax": [0.01] * 9, "ay": [0.01] * 9, "az": [factor] * 9}
    rec = read_table(csv(tmp_path / "t.csv", columns), card=card())
    assert any("not near 1 g" in w and word in w for w in rec.warnings)


def test_no_gravity_no_norm_warning(tmp_path: Path) -> None:
    columns = {"ax": [0.1] * 9, "ay": [0.1] * 9, "az": [0.1] * 9}
    assert not read_table(csv(tmp_path / "t.csv", columns), card=card(gravity=False)).warnings


# recordings, subjects, sites, labels ---------------------------------------------------------------------------------


def test_recordings_subjects_and_sites(tmp_path: Path) -> None:
    columns = {**still(6), "who": ["a", "a", "a", "b", "b", "b"], "trial": [1, 1, 2, 1, 1, 1], "pos": ["W"] * 6}
    recs = every(
        csv(tmp_path / "t.csv", columns),
        name="set",
        recording=["who", "trial"],
        subject={"column": "who", "prefix": "S"},
        site={"column": "pos", "map": {"W": "wrist"}},
    )
    assert [(r.name, r.subject, r.spec.site, len(r.data)) for r in recs] == [
        ("set-a-1", "Sa", "wrist", 2),
        ("set-a-2", "Sa", "wrist", 1),
        ("set-b-1", "Sb", "wrist", 3),
    ]


def test_returning_recording_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(3), "rec": [1, 2, 1]})
    with pytest.raises(BadFileError, match=r"row 2.*comes back.*scattered"):
        every(path, recording=["rec"])


def test_scattered_rows_are_gathered_in_order(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {"ax": [1.0, 2, 3, 4], "ay": [0.1] * 4, "az": [0.1] * 4, "rec": [2, 1, 2, 1]})
    recs = every(path, recording=["rec"], rows="scattered")
    assert {r.name: r.data[:, 0].tolist() for r in recs} == {"t-2": [1, 3], "t-1": [2, 4]}


def test_subject_that_changes_inside_a_recording_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(3), "who": ["a", "a", "b"]})
    with pytest.raises(BadFileError, match=r"row 2.*changes within"):
        every(path, subject={"column": "who"})


def test_subject_by_pattern(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(2), "file": ["run_P07_x.csv"] * 2})
    assert every(path, subject={"column": "file", "pattern": "_(P[0-9]+)_"})[0].subject == "P07"


def test_subject_argument_wins(tmp_path: Path) -> None:
    rec = read_table(csv(tmp_path / "t.csv", still()), card=card(subject={"constant": "a"}), subject="b")
    assert rec.subject == "b"


def test_site_missing_from_the_map_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(2), "pos": ["W", "W"]})
    with pytest.raises(BadOptionError, match="site 'W' is not in the card's map"):
        every(path, site={"column": "pos", "map": {"A": "ankle"}})


def test_equal_labels_become_one_annotation(tmp_path: Path) -> None:
    columns = {**still(5), "y": ["sit", "sit", "", "walk", "NULL"]}
    label = {"column": "y", "map": {"walk": "walking"}, "unlabelled": ["NULL"]}
    rec = every(csv(tmp_path / "t.csv", columns), labels=[label])[0]
    assert [(a.label, round(a.start_s, 6), round(a.stop_s, 6)) for a in rec.annotations] == [
        ("sit", 0.0, 0.04),
        ("walking", 0.06, 0.08),
    ]


def test_values_become_annotations(tmp_path: Path) -> None:
    columns = {**still(4), "hr": [60, 60, "", 62.5]}
    rec = every(csv(tmp_path / "t.csv", columns), labels=[{"column": "hr", "track": "heart_rate", "kind": "value"}])[0]
    assert [(a.value, a.track) for a in rec.annotations] == [(60.0, "heart_rate"), (62.5, "heart_rate")]


def test_label_ends_at_a_gap(tmp_path: Path) -> None:
    columns = {**still(4), "t": [0.0, 0.02, 5.0, 5.02], "y": ["sit"] * 4}
    rec = every(csv(tmp_path / "t.csv", columns), time={"column": "t"}, labels=[{"column": "y"}])[0]
    assert [(round(a.start_s, 6), round(a.stop_s, 6)) for a in rec.annotations] == [(0.0, 0.04), (5.0, 5.04)]


def test_meta_columns_are_kept(tmp_path: Path) -> None:
    rec = every(csv(tmp_path / "t.csv", {**still(2), "fold": ["test"] * 2}), meta=["fold"])[0]
    assert rec.meta["fold"] == "test"


def test_where_keeps_the_rows_asked_for(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {"ax": [1.0, 2, 3], "ay": [0.1] * 3, "az": [0.1] * 3, "dev": ["a", "b", "c"]})
    assert every(path, where={"dev": ["a", "c"]})[0].data[:, 0].tolist() == [1, 3]


def test_where_without_a_match_lists_the_values(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(2), "dev": ["a", "b"]})
    with pytest.raises(BadOptionError, match=r"no row has dev = z.*a, b"):
        every(path, where={"dev": "z"})


def test_error_rows_count_in_the_file_not_in_the_selection(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(3), "dev": ["a", "b", "b"], "ay": [0, 0, ""]})
    with pytest.raises(BadFileError, match="row 2"):
        every(path, where={"dev": "b"})


# clocks --------------------------------------------------------------------------------------------------------------


def timed(tmp_path: Path, t: list[Any], *, nominal: float | None = 50, **time: Any) -> list[Recording]:
    path = csv(tmp_path / "t.csv", {**still(len(t)), "t": t})
    return list(read_table_all(path, {"channels": ACC_CARD, "rate_hz": nominal, "time": {"column": "t", **time}}))


def test_uniform_clock_with_a_gap(tmp_path: Path) -> None:
    rec = timed(tmp_path, [0, 20, 40, 100, 120], unit="ms")[0]
    assert [(s.start, s.stop, s.time_s) for s in rec.segments] == [(0, 3, 0.0), (3, 5, 0.1)]
    assert rec.time_s is None and rec.gap_reasons == ("clock",)


def test_jittering_clock_has_to_be_called_irregular(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 2.*irregular: true"):
        timed(tmp_path, [0, 20, 52, 60], unit="ms", max_gap_s=1)


def test_irregular_clock_keeps_every_time(tmp_path: Path) -> None:
    rec = timed(tmp_path, [0, 20, 48, 60], unit="ms", irregular=True)[0]
    np.testing.assert_allclose(rec.times(), [0, 0.02, 0.048, 0.06])


def test_drifting_clock_keeps_every_time_and_says_so(tmp_path: Path) -> None:
    rec = timed(tmp_path, [round(i * 0.0202, 6) for i in range(200)])[0]
    assert rec.time_s is not None and "drifts" in rec.warnings[0]


def test_rate_is_measured_where_none_is_given(tmp_path: Path) -> None:
    rec = timed(tmp_path, [0, 10, 20, 500, 510, 520], nominal=None, unit="ms")[0]
    assert rec.spec.rate_hz == pytest.approx(100) and len(rec.segments) == 2


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_clock_in_the_wrong_unit_is_refused(tmp_path: Path, unit: str) -> None:
    with pytest.raises(BadFileError, match=r"samples a second.*unit of the time"):
        timed(tmp_path, [i * 2_000 for i in range(4)], nominal=None, unit=unit, irregular=True)


def test_one_row_with_a_time_needs_a_rate(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="one row has no rate"):
        timed(tmp_path, [0], nominal=None)


def test_backward_clock_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 2.*runs backwards 1 times"):
        timed(tmp_path, [0, 20, 0, 20], unit="ms")


def test_reset_clock_splits_where_asked_and_says_so(tmp_path: Path) -> None:
    recs = timed(tmp_path, [0, 20, 0, 20, 40], unit="ms", resets="split")
    assert [(r.name, len(r.data)) for r in recs] == [("t-part1", 2), ("t-part2", 3)]
    assert "runs backwards" in recs[1].warnings[0]


def shared(tmp_path: Path, sites: list[str], times: list[float], **time: Any) -> list[Recording]:
    columns = {**still(len(times)), "site": sites, "t": times, "trial": ["one"] * len(times)}
    about = {"column": "t", "shared": ["trial"], "unit": "ms", **time}
    return every(csv(tmp_path / "t.csv", columns), time=about, recording=("site",), rate_hz=50)


def test_sensors_on_a_shared_clock_say_where_they_begin_on_it(tmp_path: Path) -> None:
    recs = shared(tmp_path, ["a", "a", "b", "b"], [100, 120, 140, 160])
    assert [(r.meta["clock"], r.meta["clock_start_s"]) for r in recs] == [("one", 0.1), ("one", 0.14)]


def test_a_shared_clock_that_was_set_back_has_no_beginning(tmp_path: Path) -> None:
    recs = shared(tmp_path, ["a"] * 4, [100, 120, 40, 60], resets="split")
    assert len(recs) == 2 and not any("clock" in r.meta for r in recs)


def test_duplicate_times_are_refused_by_default(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 2.*1 rows have the time of the row before"):
        timed(tmp_path, [0, 20, 20, 40], unit="ms", irregular=True)


@pytest.mark.parametrize(
    ("policy", "times", "values"),
    [
        ("keep", [0, 0.02, 0.02, 0.04], [1, 2, 4, 5]),
        ("first", [0, 0.02, 0.04], [1, 2, 5]),
        ("mean", [0, 0.02, 0.04], [1, 3, 5]),
        ("spread", [0, 0.02, 0.03, 0.04], [1, 2, 4, 5]),
    ],
)
def test_duplicate_times_policies(tmp_path: Path, policy: str, times: list[float], values: list[float]) -> None:
    path = csv(tmp_path / "t.csv", {"ax": [1, 2, 4, 5], "ay": [0.1] * 4, "az": [0.1] * 4, "t": [0, 20, 20, 40]})
    time = {"column": "t", "unit": "ms", "irregular": True, "duplicates": policy}
    rec = every(path, time=time)[0]
    np.testing.assert_allclose(rec.times(), times, atol=1e-9)
    assert rec.data[:, 0].tolist() == values and rec.meta["duplicate_times"] == policy


def test_too_fast_recording_is_refused_or_skipped_and_named(tmp_path: Path) -> None:
    columns = {**still(6), "t": [0, 20, 40, 0, 1, 2], "rec": [1, 1, 1, 2, 2, 2]}
    path = csv(tmp_path / "t.csv", columns)
    time = {"column": "t", "unit": "ms", "max_rate_hz": 100}
    with pytest.raises(BadFileError, match="above max_rate_hz"):
        every(path, recording=["rec"], time=time)
    recs = every(path, recording=["rec"], time={**time, "too_fast": "skip"})
    assert [r.name for r in recs] == ["t-1"] and "left out: t-2" in recs[0].warnings[-1]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no recording is left"):
        timed(tmp_path, [0, 1, 2], unit="ms", max_rate_hz=100, too_fast="skip")


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00{}Z", "2024-05-01T12:00:00{}+02:00", "2024-05-01 10:00:00{}"])
def test_iso_times_give_the_absolute_start(tmp_path: Path, text: str) -> None:
    rec = timed(tmp_path, [text.format(f) for f in (".00", ".02", ".04")], unit="iso8601")[0]
    assert rec.start_unix_s == 1714557600.0


def test_nanoseconds_since_1970_keep_their_precision(tmp_path: Path) -> None:
    start = 1_714_557_600_000_000_001
    rec = timed(tmp_path, [start, start + 20_000_123, start + 40_000_000], unit="ns", unix=True, irregular=True)[0]
    assert rec.times()[1] == pytest.approx(0.020000123, abs=1e-12) and rec.start_unix_s == pytest.approx(1714557600)


def test_empty_time_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"row 1.*no time"):
        timed(tmp_path, [0, "", 2])


def test_text_in_the_time_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="iso8601"):
        timed(tmp_path, ["10:00", "10:01"])


# bad input -----------------------------------------------------------------------------------------------------------


def test_missing_numbers_are_counted_and_located(tmp_path: Path) -> None:
    columns = {**still(5), "ay": [0.5, "NaN", "", 0.5, 0.5]}
    with pytest.raises(BadFileError, match=r"row 1: 2 rows have NaN.*nan: gap"):
        every(csv(tmp_path / "t.csv", columns))


def test_missing_numbers_become_gaps_where_asked(tmp_path: Path) -> None:
    rec = every(csv(tmp_path / "t.csv", {**still(5), "ay": [0.5, 0.5, "", 0.5, 0.5]}), nan="gap")[0]
    assert [(s.start, s.stop, s.time_s) for s in rec.segments] == [(0, 2, 0.0), (2, 4, 0.06)]
    assert rec.gap_reasons == ("missing_values",) and np.isfinite(rec.data).all()


def test_missing_numbers_make_gaps_on_an_irregular_clock_too(tmp_path: Path) -> None:
    columns = {**still(5), "ay": [0.5, 0.5, "", 0.5, 0.5], "t": [0, 21, 39, 60, 81]}
    time = {"column": "t", "unit": "ms", "irregular": True}
    rec = every(csv(tmp_path / "t.csv", columns), nan="gap", time=time)[0]
    assert [(s.start, s.stop) for s in rec.segments] == [(0, 2), (2, 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("ax,ay,az\n", "no rows"),
        ("ax,ay,az\n1,2,3\n1,2\n", "Expected 3 columns"),
        ("ax,ay,az\n1,2,x\n", "'x'"),
        ("ax,ax,ay,az\n1,2,3,4\n", "'ax' is there twice"),
        ("ax,ay,az\n" + "1" * 3_000_000 + ",2,3\n", "parsed"),
    ],
)
def test_bad_csv_gives_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(BadFileError, match=message) as error:
        every(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(3), "activity": ["a"] * 3})
    with pytest.raises(BadOptionError, match=r"no column 'activty'.*Did you mean 'activity'.*ax, ay, az"):
        every(path, labels=[{"column": "activty"}])


@pytest.mark.parametrize("name", ["t.parquet", "t.npz"])
def test_truncated_binary_table_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    np.savez(tmp_path / "t.npz", **{k: np.zeros(99) for k in ACC_CARD})
    parquet(tmp_path / "t.parquet", still())
    path.write_bytes(path.read_bytes()[:-80])
    with pytest.raises(BadFileError, match="cannot be read"):
        every(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["t.parquet", "t.npz"]), data=st.data())
def test_mutated_binary_tables_give_recordings_or_a_clear_error(tmp_path: Path, name: str, data: st.DataObject) -> None:
    np.savez_compressed(tmp_path / "t.npz", **{k: np.array(v) for k, v in still(9).items()})
    raw = bytearray(parquet(tmp_path / "t.parquet", still(9)).read_bytes())
    raw = bytearray((tmp_path / name).read_bytes()) if name == "t.npz" else raw
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / name).write_bytes(raw)
    try:
        recs = every(tmp_path / name)
    except KineletError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(r.data).all() for r in recs)


def test_several_recordings_need_a_name(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", {**still(4), "rec": [1, 1, 2, 2]})
    with pytest.raises(BadOptionError, match=r"holds 2 recordings.*t-1, t-2"):
        read_table(path, card=card(recording=["rec"]))
    assert read_table(path, card=card(recording=["rec"]), recording="t-2").name == "t-2"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chanels": {}}, "chanels"),
        ({"rate_hz": None}, "rate_hz or time"),
        ({"rate_hz": -1}, "rate_hz"),
        ({"channels": {}}, "channels"),
        ({"channels": {"a": {"name": "acc_x", "unit": "deg/s"}}}, "unit 'deg/s' of acc_x"),
        ({"channels": {c: {"name": "acc_x", "unit": "g"} for c in "ab"}}, "repeat"),
        ({"subject": {"column": "a", "constant": "b"}}, "either constant or column"),
        ({"subject": {"column": "a", "pattern": "no group"}}, "exactly one group"),
        ({"subject": {"column": "a", "pattern": "(("}}, "pattern|regular"),
        ({"drop_channels_if_zero": ["q"]}, "not channels"),
        ({"csv": {"decimal": ",", "delimiter": ","}}, "both decimal mark and delimiter"),
    ],
)
def test_card_mistakes_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadOptionError, match=message):
        load_card(card(**fields))


def test_card_file_mistakes(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such card"):
        load_card(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(BadFileError, match="not a YAML card"):
        load_card(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(BadOptionError, match="not a mapping"):
        load_card(tmp_path / "list.yaml")


def test_yaml_card_cannot_build_objects(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text("channels: !!python/object/apply:os.getcwd []")
    with pytest.raises(BadFileError):
        load_card(tmp_path / "evil.yaml")


# hypothesis ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.tuples(*[st.floats(-16, 16, width=32)] * 3), min_size=1, max_size=30), comma=st.booleans())
def test_csv_round_trip(tmp_path: Path, values: list[tuple[float, float, float]], comma: bool) -> None:
    columns = dict(zip(ACC_CARD, (list(c) for c in zip(*values, strict=True)), strict=True))
    options = {"delimiter": ";", "decimal": ","} if comma else {}
    path = csv(tmp_path / "t.csv", columns, delimiter=";" if comma else ",", decimal="," if comma else ".")
    rec = read_table(path, card=card(csv=options))
    np.testing.assert_array_equal(rec.data, np.float32(values))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="axyz0123456789.,;-\n\r\"' \x00é", max_size=120), head=st.booleans())
def test_any_text_gives_a_recording_or_a_clear_error(tmp_path: Path, text: str, head: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text(("ax,ay,az\n" if head else "") + text, encoding="utf-8")
    try:
        rec = read_table(path, card=card())
    except KineletError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(rec.data).all()


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*TableCard.model_fields, "other"]), st.none() | st.integers() | st.text(max_size=3)
    )
)
def test_any_card_is_read_or_refused_in_one_line(fields: dict[str, Any]) -> None:
    try:
        load_card(fields)
    except KineletError as error:
        assert "\n" not in str(error)


# real tables ---------------------------------------------------------------------------------------------------------

TABLES = {
    # card: (table, people, recordings, hours, labels, recordings left out)
    "classyglass": ("classyglass/classyglass", 62, 548, 19.0, 17, 0),
    "geotec_watch": ("geotec/geotec", 23, 223, 0.7, 5, 0),
    "geotec_phone": ("geotec/geotec", 23, 223, 0.7, 5, 0),
    "umafall_wrist": ("umafall/umafall", 19, 596, 2.45, 15, 65),
    "umafall_waist": ("umafall/umafall", 18, 492, 2.03, 15, 61),
    "umafall_chest": ("umafall/umafall", 19, 599, 2.47, 15, 65),
    "umafall_ankle": ("umafall/umafall", 19, 571, 2.35, 15, 31),
    "uci_har": ("uci_har/uci_har", 30, 3350, 2.38, 6, 0),
    "utd_mhad": ("utd_mhad/imu", 8, 861, 0.86, 27, 0),
    "stress_predict_acc": ("stress_predict/acc", 35, 35, 32.2, 0, 0),
    "voisard": ("voisard_gait/voisard", 14, 240, 1.96, 0, 0),
    "oxford_step": ("oxford_step/oxford_step", 3, 48, 2.13, 0, 0),
}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_real_tables(shared_data: Path, name: str) -> None:
    file, people, recordings, hours, labels, left_out = TABLES[name]
    recs = list(read_many(shared_data / f"{file}.parquet", card=CARDS / f"{name}.yaml"))
    found = {a.label for r in recs for a in r.annotations if a.track == "activity"}
    skipped = sum(w.startswith("left out") for r in recs for w in r.warnings)
    assert (len({r.subject for r in recs}), len(recs), len(found), skipped) == (people, recordings, labels, left_out)
    assert sum(r.duration_s for r in recs) / 3600 == pytest.approx(hours, rel=0.01)
    assert len({r.name for r in recs}) == recordings


def test_classyglass_without_gyroscope_is_accelerometer_only(shared_data: Path) -> None:
    recs = read_many(shared_data / "classyglass/classyglass.parquet", card=CARDS / "classyglass.yaml")
    bare = sorted(r.name for r in recs if len(r.spec.channels) == 3)
    assert bare == ["classyglass-D1_User15-173", "classyglass-D1_User22-273", "classyglass-D1_User25-321"]


def test_utd_mhad_sites_follow_the_action(shared_data: Path) -> None:
    recs = list(read_many(shared_data / "utd_mhad/imu.parquet", card=CARDS / "utd_mhad.yaml"))
    thigh = {r.annotations[0].label for r in recs if r.spec.site == "right_thigh"}
    assert len(thigh) == 6 and "squat" in thigh


def test_one_recording_by_name(shared_data: Path) -> None:
    rec = read(
        shared_data / "stress_predict/acc.parquet",
        card=CARDS / "stress_predict_acc.yaml",
        recording="stress_predict-S01",
    )
    assert rec.resolution == (1 / 64,) * 3 and rec.spec.rate_hz == 32
