"""The public names: there, typed, documented, and imported only when used."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

import kinelet as kl
from corpus_tools import corpus_of, people, recording

CONTRACT = (
    "Corpus",
    "create_encoder",
    "embed",
    "functional",
    "import_weights",
    "list_datasets",
    "list_encoders",
    "list_methods",
    "list_protocols",
    "load",
    "read",
    "sklearn",
)
FUNCTIONS = [n for n in kl.__all__ if inspect.isfunction(getattr(kl, n))]
CLASSES = [n for n in kl.__all__ if inspect.isclass(getattr(kl, n))]


def python(program: str) -> str:
    home = str(Path(str(kl.__file__)).resolve().parents[1])
    code = f"import sys\nsys.path.insert(0, {home!r})\n{program}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_kinelet_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "scipy", "pyarrow", "sklearn", "matplotlib", "pydantic", "typer")
    assert python(f"import kinelet\nprint([m for m in {heavy} if m in sys.modules])") == "[]"


def test_reading_does_not_import_torch() -> None:
    assert python("import kinelet\nkinelet.read\nkinelet.Recording\nprint('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_of_the_contract_are_there(name: str) -> None:
    assert name in kl.__all__
    assert getattr(kl, name) is not None


def test_every_listed_name_can_be_had_and_nothing_else() -> None:
    assert dir(kl) == sorted(kl.__all__)
    assert all(hasattr(kl, name) for name in kl.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        kl.nonsense  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_typed_and_documented(name: str) -> None:
    function = getattr(kl, name)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
    assert len(inspect.getdoc(function) or "") > 20


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_is_documented_with_its_public_methods(name: str) -> None:
    kind = getattr(kl, name)
    methods = [m for n, m in vars(kind).items() if inspect.isfunction(m) and not n.startswith("_")]
    assert all(inspect.getdoc(m) for m in [kind, *methods])


def test_type_checkers_see_the_same_names() -> None:
    """The imports under TYPE_CHECKING and the lazy table must not drift apart."""
    source = Path(str(kl.__file__)).read_text()
    block = source.split("if TYPE_CHECKING:", 1)[1].split("\n\n", 1)[0]
    seen = {line.split(" import ")[1].split(" as ")[0]: line.split()[1] for line in block.strip().splitlines()}
    assert seen == kl._HOMES


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(str(kl.__file__)).parent / "py.typed").is_file()


def test_each_name_comes_from_where_its_table_says() -> None:
    for name, home in kl._HOMES.items():
        assert getattr(sys.modules[home], name) is getattr(kl, name), name


AUGMENTATIONS = (
    "crop_resize",
    "frequency_mask",
    "jitter",
    "magnitude_warp",
    "negate",
    "permute",
    "reverse",
    "rotate",
    "scale",
    "shuffle_axes",
    "time_mask",
    "time_warp",
)


@pytest.mark.parametrize("name", ["info_nce", "nt_xent", "masked_mse", "relative_contrastive", *AUGMENTATIONS])
def test_the_mathematics_is_under_functional(name: str) -> None:
    assert callable(getattr(kl.functional, name))


def test_lists_hold_names() -> None:
    for listed in (kl.list_encoders(), kl.list_methods(), kl.list_datasets(), kl.list_protocols(), kl.list_readers()):
        assert listed
        assert all(isinstance(name, str) for name in listed)


def test_every_listed_encoder_is_made_by_its_name() -> None:
    for name in kl.list_encoders():
        assert kl.create_encoder(name, channels=3).name == name


def test_the_walk_of_the_contract(tmp_path: Path) -> None:
    """Recording to corpus to windows to vectors, with the public names alone."""
    corpus_of(tmp_path / "own", *people(2, each=1, length=400))
    corpus = kl.Corpus.open(tmp_path / "own")
    windows = corpus.windows(window_s=1.0, hop_s=0.5)
    encoder = kl.create_encoder("resnet1d_small", spec=windows.spec)
    assert encoder.embed(windows.gather(np.arange(4))).shape == (4, encoder.dim)
    emb = kl.embed(encoder, recording(n=500), step_s=1.0)
    assert (emb.time_s.shape, emb.vectors.shape, emb.valid.dtype) == ((10,), (10, encoder.dim), np.bool_)


def test_annotations_of_public_functions_can_be_resolved() -> None:
    for name in ("load", "list_encoders", "list_methods", "list_datasets"):
        assert typing.get_type_hints(getattr(kl, name))["return"]
