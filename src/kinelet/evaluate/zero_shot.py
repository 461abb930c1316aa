"""Zero-shot: windows named by the sentence that lies nearest, with nobody's labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, PrivateAttr

from kinelet.encoders.base import Encoder
from kinelet.errors import BadOptionError
from kinelet.evaluate.protocol import Predictions, Protocol, Say, one_draw
from kinelet.evaluate.task import FloatArray, Task

if TYPE_CHECKING:
    from kinelet.towers.base import Tower


class ZeroShot(Protocol):
    """The class whose sentences' direction has the largest cosine with the window's.

    Windows go through the head that was aligned with text, sentences through the tower that it was aligned with; both
    are named by the encoder's card. Training people take no part: splits say whom to judge, so that results stand
    beside those of other protocols on the same people.

    Attributes:
        sentences: Sentences of each class; or the name of a public set that kinelet has some for, or a YAML file.
        use: The mean of a class's sentences, or the ``first`` alone.
    """

    name: ClassVar[str] = "zero-shot"
    inputs: ClassVar[Literal["vectors", "windows"]] = "windows"

    sentences: dict[str, tuple[str, ...]] | str = Field(default_factory=dict)
    use: Literal["mean", "first"] = "mean"

    _tower: Tower | None = PrivateAttr(default=None)

    def with_tower(self, tower: Tower) -> ZeroShot:
        """The same, with a text tower that is not in the registry."""
        other = self.model_copy()
        other._tower = tower
        return other

    def predict(self, train: Task, x: FloatArray, encoder: Encoder | None, say: Say) -> Predictions:
        """Name windows ``(m, channel, time)``; returns ``(1, m)``."""
        from kinelet.deploy.words import with_words

        if encoder is None:
            raise BadOptionError("zero-shot needs an encoder", where=self.name)
        said = self.of_classes(train.classes)
        say(f"{len(said)} classes by {sum(map(len, said.values()))} sentences")
        words = with_words(encoder, self._tower)
        # Dividing by their lengths would change no window's nearest class.
        return one_draw((words.encoder.embed(x) @ words.class_vectors(said).T).argmax(axis=1).astype(np.int64))

    def of_classes(self, classes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Sentences of each class, in order.

        Raises:
            BadOptionError: if a class has none.
        """
        from kinelet.deploy.sentences import gather_sentences

        known: Mapping[str, tuple[str, ...]] = (
            gather_sentences([self.sentences]) if isinstance(self.sentences, str) else self.sentences
        )
        missing = [c for c in classes if not known.get(c)]
        if missing:
            raise BadOptionError(
                f"no sentence for {', '.join(missing[:8])}" + (" …" if len(missing) > 8 else ""),
                where=self.name,
                remedy="Give a YAML file of label: [sentence, …] with every class: sentences=FILE.yaml",
            )
        return {c: tuple(known[c])[: 1 if self.use == "first" else None] for c in classes}

    def notes(self, train: Task) -> tuple[str, ...]:
        """How the classes were named."""
        said = self.of_classes(train.classes)
        counts = [len(s) for s in said.values()]
        each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        return (f"zero-shot: {len(said)} classes named by {each} sentences each, no label was learnt from",)
