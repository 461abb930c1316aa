"""``kinelet doctor``: what is installed, which device, and what is wrong."""

from __future__ import annotations

import sys

import pytest
import torch

from cli_tools import done, kinelet
from kinelet import doctor


def verdicts() -> dict[str, str]:
    return {f.what: f.verdict for f in doctor.examine()}


def pretend(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Let some packages have another version, or none."""
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: versions[name] if name in versions else real(name))


def test_a_good_installation_has_nothing_wrong_and_exits_with_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, torchvision=None, torchaudio=None)
    assert "torch" in done("doctor").out


def test_the_findings_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, torchvision=None, torchaudio=None)
    found = {f["what"]: f for f in done("doctor", "--json").document}
    assert found["torch"]["found"] == torch.__version__
    assert found["threads"]["found"].startswith(f"{torch.get_num_threads()} of")


def test_a_missing_package_is_wrong_and_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, pyarrow=None)
    answer = kinelet("doctor")
    assert answer.status == 1
    assert "wrong: pip install pyarrow" in answer.out


def test_a_missing_extra_is_no_fault_and_its_name_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, fastapi=None, torchvision=None, torchaudio=None)
    assert "absent: pip install 'kinelet[serve]'" in done("doctor").out


def test_torchvision_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, torchvision="0.20")
    assert verdicts()["torchvision"].startswith("wrong")


def test_a_cuda_build_without_a_device_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "driver" in verdicts()["device"]


def test_a_gpu_is_named_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10 * 2**30, 24 * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    (finding,) = [f for f in doctor.examine() if f.what == "device"]
    assert finding == ("device", "Some GPU, 10 of 24 GiB free", "ok")


def test_more_threads_than_cores_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4096)
    assert "OMP_NUM_THREADS" in verdicts()["threads"]


def test_a_torch_that_cannot_be_imported_is_told_and_the_rest_still_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = verdicts()
    assert found["device"].startswith("wrong: torch cannot be used")
    assert "free disk here" in found


def test_a_full_disk_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    assert verdicts()["free disk here"].startswith("wrong")
