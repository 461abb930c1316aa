from __future__ import annotations

import subprocess
import sys

import pytest

from kinelet.errors import BadOptionError
from kinelet.evaluate.registry import OF_A_CORPUS, PROTOCOLS, get_protocol, list_protocols, protocol_info


@pytest.mark.parametrize("name", list_protocols())
def test_a_protocol_knows_its_own_name(name: str) -> None:
    assert get_protocol(name).name == name


@pytest.mark.parametrize("name", list_protocols())
def test_the_record_tells_what_it_judges(name: str) -> None:
    assert set(PROTOCOLS[name].kinds) == set(get_protocol(name).kinds)


@pytest.mark.parametrize("name", list_protocols())
def test_options_survive_plain_data(name: str) -> None:
    protocol = get_protocol(name)
    assert get_protocol(name, **protocol.model_dump(mode="json")) == protocol


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(BadOptionError, match="telepathy"):
        protocol_info("telepathy")


@pytest.mark.parametrize("name", OF_A_CORPUS)
def test_a_protocol_of_a_whole_corpus_says_how_it_is_used(name: str) -> None:
    with pytest.raises(BadOptionError, match=f"kinelet evaluate --protocol {name}"):
        get_protocol(name)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(BadOptionError, match="neighbours"):
        get_protocol("knn", neighbours=3)


def test_options_are_checked() -> None:
    with pytest.raises(BadOptionError, match="k"):
        get_protocol("knn", k=0)


def test_listing_imports_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, kinelet.evaluate.registry; print(sorted({'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
