"""kinelet: from raw motion-sensor recordings to encoders and numbers you can trust.

The public names are imported on first use, so that ``import kinelet`` and ``kinelet --help`` stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinelet.corpus.corpus import Corpus as Corpus
    from kinelet.datasets.registry import list_datasets as list_datasets
    from kinelet.deploy.embedding import Embeddings as Embeddings
    from kinelet.deploy.embedding import embed as embed
    from kinelet.deploy.importers import import_weights as import_weights
    from kinelet.deploy.loading import load as load
    from kinelet.deploy.search import search as search
    from kinelet.deploy.timeline import label_timeline as label_timeline
    from kinelet.encoders.base import Encoder as Encoder
    from kinelet.encoders.registry import create_encoder as create_encoder
    from kinelet.encoders.registry import list_encoders as list_encoders
    from kinelet.errors import KineletError as KineletError
    from kinelet.evaluate.registry import list_protocols as list_protocols
    from kinelet.methods.registry import list_methods as list_methods
    from kinelet.readers.registry import list_readers as list_readers
    from kinelet.readers.registry import read as read
    from kinelet.signal.recording import Annotation as Annotation
    from kinelet.signal.recording import Recording as Recording
    from kinelet.signal.spec import SignalSpec as SignalSpec

__version__ = "0.1.0"

_HOMES = {
    "Annotation": "kinelet.signal.recording",
    "Corpus": "kinelet.corpus.corpus",
    "Embeddings": "kinelet.deploy.embedding",
    "Encoder": "kinelet.encoders.base",
    "KineletError": "kinelet.errors",
    "Recording": "kinelet.signal.recording",
    "SignalSpec": "kinelet.signal.spec",
    "create_encoder": "kinelet.encoders.registry",
    "embed": "kinelet.deploy.embedding",
    "import_weights": "kinelet.deploy.importers",
    "label_timeline": "kinelet.deploy.timeline",
    "list_datasets": "kinelet.datasets.registry",
    "list_encoders": "kinelet.encoders.registry",
    "list_methods": "kinelet.methods.registry",
    "list_protocols": "kinelet.evaluate.registry",
    "list_readers": "kinelet.readers.registry",
    "load": "kinelet.deploy.loading",
    "read": "kinelet.readers.registry",
    "search": "kinelet.deploy.search",
}
_MODULES = ("functional", "sklearn")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"kinelet.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'kinelet' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
