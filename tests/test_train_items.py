from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinelet.train.items import Links, Table, _pairs


def test_items_of_each_window_are_found_and_padded():
    links = Links.of(4, np.array([2, 0, 2, 2]), np.array([7, 5, 6, 7]))
    assert links.most == 2
    assert links.padded(np.array([0, 1, 2, 3]), 3).tolist() == [[5, -1, -1], [-1, -1, -1], [6, 7, -1], [-1, -1, -1]]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 9)), max_size=40))
def test_links_are_the_set_of_pairs(pairs):
    window, item = np.array([p[0] for p in pairs], dtype=np.int64), np.array([p[1] for p in pairs], dtype=np.int64)
    links = Links.of(7, window, item)
    for w in range(7):
        row = links.padded(np.array([w]), 10)[0]
        assert row[row >= 0].tolist() == sorted({i for v, i in pairs if v == w})


times = st.integers(0, 200).map(lambda t: t / 10)


@given(
    st.lists(times, min_size=1, max_size=8),
    st.lists(st.tuples(times, st.integers(0, 80).map(lambda t: t / 10)), min_size=1, max_size=12),
)
def test_windows_and_items_that_share_half_of_the_shorter(starts, items):
    t0 = np.array(starts)
    start, duration = np.array([i[0] for i in items]), np.array([i[1] for i in items])
    found = {(int(a), int(b)) for a, b in zip(*_pairs(t0, t0 + 5.0, start, duration), strict=True)}
    wanted = set()
    for i, t in enumerate(starts):
        for j, (s, d) in enumerate(items):
            shared = min(t + 5.0, s + d) - max(t, s)
            inside = t <= s < t + 5.0
            if inside if d == 0 else shared >= 0.5 * min(d, 5.0) - 1e-6:
                wanted.add((i, j))
    assert found == wanted


def store(keys, vectors, *, timed):
    return SimpleNamespace(
        keys=tuple(keys), meta=SimpleNamespace(timed=timed, dim=vectors.shape[1]), gather=lambda rows: vectors[rows]
    )


def test_a_sentence_of_two_corpora_is_one_item():
    table = Table()
    first = table.add(store(["a", "b"], np.eye(3, dtype=np.float32)[:2], timed=False))
    second = table.add(store(["c", "a"], np.eye(3, dtype=np.float32)[[2, 0]], timed=False))
    assert (first.tolist(), second.tolist(), table.items) == ([0, 1], [2, 0], 3)
    assert np.array_equal(table.gather(np.array([2, 0, 1])), np.eye(3)[[2, 0, 1]])


def test_timed_items_of_two_corpora_are_apart_even_with_the_same_key():
    table = Table()
    table.add(store(["r/0"], np.array([[1.0, 0.0]], dtype=np.float32), timed=True))
    second = table.add(store(["r/0"], np.array([[0.0, 1.0]], dtype=np.float32), timed=True))
    assert table.gather(second).tolist() == [[0.0, 1.0]]


def test_a_window_without_an_item_gets_zeros():
    table = Table()
    table.add(store(["a"], np.array([[0.6, 0.8]], dtype=np.float32), timed=False))
    assert table.gather(np.array([-1, 0])) == pytest.approx(np.array([[0, 0], [0.6, 0.8]]))
