"""Downloads: checksum, size bound, https only, nothing half done; and instructions where there is no way."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from kinelet.datasets import get_dataset, list_datasets
from kinelet.datasets.base import DatasetCard, Download
from kinelet.datasets.download import fetch, instructions, unpack
from kinelet.errors import BadFileError, BadOptionError

BODY = b"recordings" * 1000
SHA = hashlib.sha256(BODY).hexdigest()


def card(*files: Download) -> DatasetCard:
    return DatasetCard(
        name="toy",
        title="Toy",
        licence="CC0",
        citation="none",
        url="https://toy.example/page",
        people=1,
        sites=("wrist",),
        rates_hz=(1.0,),
        labels=("a",),
        traps=("none",),
        layout="toy.csv",
        download=files,
    )


FILE = Download("https://toy.example/toy.bin", SHA, "toy.bin")


class Response(io.BytesIO):
    """What urlopen returns."""

    def __init__(self, body: bytes, url: str = FILE.url) -> None:
        super().__init__(body)
        self.url = url

    def geturl(self) -> str:
        return self.url


class Server:
    """Counts requests and answers with one body."""

    def __init__(self, body: bytes = BODY, url: str = FILE.url, error: Exception | None = None) -> None:
        self.body, self.url, self.error, self.asked = body, url, error, 0

    def __call__(self, request: Any, timeout: float) -> Response:
        self.asked += 1
        if self.error:
            raise self.error
        return Response(self.body, self.url)


def test_file_arrives(tmp_path: Path) -> None:
    assert fetch(card(FILE), tmp_path, opener=Server())[0].read_bytes() == BODY


def test_file_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    server = Server()
    fetch(card(FILE), tmp_path, opener=server)
    fetch(card(FILE), tmp_path, opener=server)
    assert server.asked == 1


def test_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "toy.bin").write_bytes(b"half")
    fetch(card(FILE), tmp_path, opener=Server())
    assert (tmp_path / "toy.bin").read_bytes() == BODY


def test_wrong_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="SHA-256"):
        fetch(card(FILE), tmp_path, opener=Server(b"something else"))


def test_wrong_checksum_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        fetch(card(FILE), tmp_path, opener=Server(b"something else"))
    assert list(tmp_path.iterdir()) == []


def test_too_large_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="more than 100 bytes"):
        fetch(card(FILE), tmp_path, opener=Server(), max_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_plain_http_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="not https"):
        fetch(card(FILE._replace(url="http://toy.example/toy.bin")), tmp_path, opener=Server())


def test_redirect_to_plain_http_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match="not https"):
        fetch(card(FILE), tmp_path, opener=Server(url="http://elsewhere.example/toy.bin"))


@pytest.mark.parametrize("error", [URLError("no route"), TimeoutError("slow"), ConnectionResetError("reset")])
def test_no_network_says_what_to_put_where(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(BadOptionError) as raised:
        fetch(card(FILE), tmp_path, opener=Server(error=error))
    assert all(part in str(raised.value) for part in (FILE.url, str(tmp_path), "toy.csv"))


def test_no_checksum_is_not_fetched(tmp_path: Path) -> None:
    server = Server()
    with pytest.raises(BadOptionError, match="no checksum is known"):
        fetch(card(FILE._replace(sha256=None)), tmp_path, opener=server)
    assert server.asked == 0


def test_checksum_can_be_given(tmp_path: Path) -> None:
    assert fetch(card(FILE._replace(sha256=None)), tmp_path, checksums={"toy.bin": SHA}, opener=Server())


def test_nothing_to_fetch_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(BadOptionError, match=r"https://toy\.example/page"):
        fetch(card(), tmp_path, opener=Server())


@pytest.mark.parametrize("name", list_datasets())
def test_every_card_gives_complete_instructions(name: str, tmp_path: Path) -> None:
    facts = get_dataset(name).card
    text = instructions(facts, tmp_path)
    assert str(tmp_path) in text and facts.layout in text and "https://" in text


@pytest.mark.parametrize("name", list_datasets())
def test_known_checksums_are_sha256(name: str) -> None:
    sums = [d.sha256 for d in get_dataset(name).card.download if d.sha256]
    assert all(len(s) == 64 and int(s, 16) >= 0 for s in sums)


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in members.items():
            archive.writestr(name.replace("__", "/"), body)
    return out.getvalue()


def test_archive_is_unpacked(tmp_path: Path) -> None:
    body = zipped(data__one=b"1")
    file = Download("https://toy.example/toy.zip", hashlib.sha256(body).hexdigest(), "toy.zip")
    fetch(card(file), tmp_path, opener=Server(body))
    assert (tmp_path / "data" / "one").read_bytes() == b"1"


def test_archive_at_the_top_of_an_archive_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"inner.zip": zipped(one=b"1")}))
    unpack(tmp_path / "a.zip", tmp_path)
    assert (tmp_path / "one").is_file()


def test_archive_deeper_inside_stays_packed(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"proband1__acc.zip": zipped(one=b"1")}))
    unpack(tmp_path / "a.zip", tmp_path)
    assert not (tmp_path / "one").exists()


def test_archive_that_climbs_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(**{"..__..__evil": b"1"}))
    with pytest.raises(BadFileError, match="outside"):
        unpack(tmp_path / "a.zip", tmp_path)


def test_archive_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(one=bytes(1000)))
    with pytest.raises(BadFileError, match="claims 1000 bytes"):
        unpack(tmp_path / "a.zip", tmp_path, max_bytes=100)


def test_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(BadFileError, match="not a zip archive"):
        unpack(tmp_path / "a.zip", tmp_path)
