from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from kinelet.encoders.registry import create_encoder, default_spec, list_encoders
from kinelet.errors import BadOptionError, SpecMismatchError
from kinelet.signal.spec import imu_spec


def test_the_promised_encoders_are_there() -> None:
    assert {"resnet1d_34", "resnet1d_small", "patch_transformer"} <= set(list_encoders())


def test_an_unknown_name_is_quoted_with_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match=r"'resnet'.*resnet1d_34"):
        create_encoder("resnet")


def test_default_spec_is_an_accelerometer_at_50_hz() -> None:
    assert create_encoder("resnet1d_small").spec == imu_spec(50.0)


def test_six_channels_add_the_gyroscope() -> None:
    assert default_spec(6) == imu_spec(50.0, gyro=True)


def test_four_channels_ask_for_a_spec() -> None:
    with pytest.raises(SpecMismatchError, match="spec="):
        create_encoder("resnet1d_small", channels=4)


def test_a_given_spec_wins() -> None:
    spec = imu_spec(31.25, gyro=True, site="ankle")
    assert create_encoder("patch_transformer", spec=spec).spec == spec


def test_without_a_seed_the_global_generator_decides() -> None:
    def first_weight() -> torch.Tensor:
        torch.manual_seed(5)
        return next(create_encoder("resnet1d_small").parameters())

    assert torch.equal(first_weight(), first_weight())


def test_listing_does_not_import_torch() -> None:
    code = (
        "import sys, kinelet.encoders.registry as e, kinelet.methods.registry as m;"
        "e.list_encoders(), m.list_methods(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
