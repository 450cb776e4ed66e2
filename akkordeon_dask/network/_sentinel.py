"""The spec of a sentinel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack, get_args

from akkordeon_dask._durations import parse_duration
from akkordeon_dask._numbers import check_int
from akkordeon_dask.data import Provider, as_provider
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import Mode
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._checks import check_text, check_workers
from akkordeon_dask.nn import Loss, Score, SoftmaxCrossEntropy

__all__ = ["Sentinel"]

_NONFINITE = ("stop", "skip", "rewind")


class Options(TypedDict, total=False):
    """Keywords of a sentinel, as `Sentinel` explains them."""

    batch_size: int
    concurrency: int
    loss: Loss
    scores: Sequence[Score] | None
    every: float | str
    epochs: int | None
    batches_per_pass: int | None
    on_nonfinite: Literal["stop", "skip", "rewind"]
    name: str | None
    workers: str | Beside | None


@dataclass(frozen=True, repr=False)
class Sentinel:
    """Data with a purpose: made by `Sentinel.train`, `Sentinel.validate` or `Sentinel.test`.

    Parameters
    ----------
    mode
        `"train"`, `"validate"`, `"test"` or `"predict"`.
    provider
        the data: a `data.Provider`, or any iterable of batches `(x, y)` that pickles, or a
        function that makes one. They are loaded where the sentinel runs.
    batch_size
        samples a batch.
    concurrency
        batches that may be under way at once.
    loss
        what is minimised.
    scores
        what is reported beside the loss; None: what suits the loss, `loss.default_scores`. That is `nn.Accuracy()` for
        `nn.SoftmaxCrossEntropy`, `nn.R2()` for `nn.MeanSquaredError`, `nn.BinaryAccuracy()` for
        `nn.BinaryCrossEntropyWithLogits`, and none for a loss of your own that does not say. Stored as a tuple.
    every
        seconds from the start of a validation pass to the start of the next.
    epochs
        training passes after which the sentinel rests; None: it goes on until it is detached. `attach(..., epochs=...)`
        says it later.
    batches_per_pass
        a pass is reported after this many batches: needed for streams that never end.
    on_nonfinite
        what happens when a loss is NaN or infinite. `"stop"`: the sentinel fails with the batch's name. `"skip"`: the
        batch changes nothing and counts as lost. `"rewind"`: all gates go back to their newest snapshot, with half the
        learning rate, and the pass begins anew; the network has to keep snapshots. The rate stays lower in what is
        resumed from them.
    name
        unique in its network; None: `train0`, `validate0`, ... by its mode.
    workers
        where it shall be: a worker's name, address or host; `beside("g1")`: where gate g1 is; None: beside the first
        gate, as what goes in is largest.

    Raises
    ------
    SpecError
        when an option is not what it should be, or a score cannot be had with the loss: labels for one are no targets
        for the other.
    DataError
        when the provider is none.
    """

    mode: Mode
    provider: Provider
    batch_size: int = 256
    concurrency: int = 2
    loss: Loss = SoftmaxCrossEntropy()
    scores: tuple[Score, ...] = None  # type: ignore[assignment]  # until it is made
    every: float = 10.0
    epochs: int | None = None
    batches_per_pass: int | None = None
    on_nonfinite: Literal["stop", "skip", "rewind"] = "stop"
    name: str | None = None
    workers: str | Beside | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise SpecError(f"a sentinel's mode is one of {', '.join(get_args(Mode))}, not {self.mode!r}")
        object.__setattr__(self, "provider", as_provider(self.provider))
        object.__setattr__(self, "every", parse_duration("a sentinel's every", self.every))
        for label in ("batch_size", "concurrency", "epochs", "batches_per_pass"):
            value = getattr(self, label)
            if value is not None or label in ("batch_size", "concurrency"):
                object.__setattr__(self, label, check_int(f"a sentinel's {label}", value, 1))
        check_text("a sentinel's name", self.name)
        check_workers("a sentinel's workers", self.workers)
        if self.on_nonfinite not in _NONFINITE:
            raise SpecError(f"a sentinel's on_nonfinite is one of {', '.join(_NONFINITE)}, not {self.on_nonfinite!r}")
        if not isinstance(self.loss, Loss):
            raise SpecError(f"a sentinel's loss is an nn.Loss, e.g. nn.SoftmaxCrossEntropy(), not {self.loss!r}")
        self._check_scores()

    def _check_scores(self) -> None:
        scores = self.loss.default_scores if self.scores is None else self.scores
        if not isinstance(scores, tuple | list):
            raise SpecError(f"a sentinel's scores are a list of nn.Score, e.g. [nn.Accuracy()], not {scores!r}")
        for score in scores:
            if not isinstance(score, Score):
                raise SpecError(f"a sentinel's scores are nn.Score, e.g. nn.Accuracy(), not {score!r}")
            if not self.loss.suits(score):
                raise SpecError(_misfit(self.loss, score))
        names = [score.name for score in scores]
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"a sentinel's scores have names of their own: two are {name!r} in {scores!r}")
        object.__setattr__(self, "scores", tuple(scores))

    @classmethod
    def train(cls, provider: Any, **options: Unpack[Options]) -> "Sentinel":
        """A sentinel that trains the network, epoch after epoch."""
        return cls._made("train", provider, options)

    @classmethod
    def validate(cls, provider: Any, **options: Unpack[Options]) -> "Sentinel":
        """A sentinel that rates the network again and again while it trains."""
        return cls._made("validate", provider, options)

    @classmethod
    def test(cls, provider: Any, **options: Unpack[Options]) -> "Sentinel":
        """A sentinel that rates the network once."""
        return cls._made("test", provider, options)

    @classmethod
    def _made(cls, mode: Mode, provider: Any, options: Any) -> "Sentinel":
        return cls(mode, provider, **options)  # whose fields have narrower types than what may be written

    def __repr__(self) -> str:
        parts = [repr(self.provider)]
        defaults = type(self).__dataclass_fields__
        for label in list(defaults)[2:]:
            value = getattr(self, label)
            if value != (self.loss.default_scores if label == "scores" else defaults[label].default):
                parts.append(f"{label}={value!r}")
        return f"Sentinel.{self.mode}({', '.join(parts)})"


def _misfit(loss: Loss, score: Score) -> str:
    takes = {"labels": "one whole number a sample", "values": "one number for each output"}
    remedy = ", ".join(map(repr, loss.default_scores))
    return (
        f"{score!r} compares with {takes[score.targets or 'values']}, {loss!r} with {takes[loss.targets or 'values']}: "
        f"write scores=[{remedy}], or leave scores out"
    )
