"""The spec of a sentinel."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from akkordeon_dask._durations import parse_duration
from akkordeon_dask.data import Provider, as_provider
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import Mode
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._checks import check_whole, check_word, check_workers
from akkordeon_dask.nn import Accuracy, Loss, Score, SoftmaxCrossEntropy

__all__ = ["Sentinel"]

_NONFINITE = ("stop", "skip", "rewind")


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
        what is reported beside the loss.
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
    """

    mode: Mode
    provider: Provider
    batch_size: int = 256
    concurrency: int = 2
    loss: Loss = SoftmaxCrossEntropy()
    scores: tuple[Score, ...] = (Accuracy(),)
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
                check_whole(f"a sentinel's {label}", value, 1)
        check_word("a sentinel's name", self.name)
        check_workers("a sentinel's workers", self.workers)
        if self.on_nonfinite not in _NONFINITE:
            raise SpecError(f"a sentinel's on_nonfinite is one of {', '.join(_NONFINITE)}, not {self.on_nonfinite!r}")
        if not isinstance(self.loss, Loss):
            raise SpecError(f"a sentinel's loss is an nn.Loss, e.g. nn.SoftmaxCrossEntropy(), not {self.loss!r}")
        self._check_scores()

    def _check_scores(self) -> None:
        if not isinstance(self.scores, tuple | list):
            raise SpecError(f"a sentinel's scores are a list of nn.Score, e.g. [nn.Accuracy()], not {self.scores!r}")
        object.__setattr__(self, "scores", tuple(self.scores))
        for score in self.scores:
            if not isinstance(score, Score):
                raise SpecError(f"a sentinel's scores are nn.Score, e.g. nn.Accuracy(), not {score!r}")

    @classmethod
    def train(cls, provider: Any, **options: Any) -> "Sentinel":
        """A sentinel that trains the network, epoch after epoch."""
        return cls("train", provider, **options)

    @classmethod
    def validate(cls, provider: Any, **options: Any) -> "Sentinel":
        """A sentinel that rates the network again and again while it trains."""
        return cls("validate", provider, **options)

    @classmethod
    def test(cls, provider: Any, **options: Any) -> "Sentinel":
        """A sentinel that rates the network once."""
        return cls("test", provider, **options)

    def __repr__(self) -> str:
        parts = [repr(self.provider)]
        defaults = type(self).__dataclass_fields__
        for label in list(defaults)[2:]:
            value = getattr(self, label)
            if value != defaults[label].default:
                parts.append(f"{label}={value!r}")
        return f"Sentinel.{self.mode}({', '.join(parts)})"
