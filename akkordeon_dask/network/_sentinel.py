"""The spec of a sentinel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, TypedDict, Unpack, get_args

from akkordeon_dask._durations import Duration, parse_duration
from akkordeon_dask._foreign import instead
from akkordeon_dask._names import check_printable
from akkordeon_dask._numbers import LARGEST_COUNT, check_count, check_number
from akkordeon_dask.data import Provider, as_provider
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import Mode
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._checks import check_text, check_workers
from akkordeon_dask.network._class_weight import ClassWeight, check_class_weight
from akkordeon_dask.nn import Loss, Score, SoftmaxCrossEntropy

__all__ = ["Sentinel"]

_MOST_IN_FLIGHT = 2**16
"""Batches: a sentinel draws them all before it does anything else."""
_NONFINITE = ("stop", "skip", "rewind")
_EPOCH, _EPOCH_OF = "epoch", "epoch of "


class Options(TypedDict, total=False):
    """Keywords of a sentinel, as `Sentinel` explains them."""

    batch_size: int
    concurrency: int
    loss: Loss
    scores: Sequence[Score] | None
    class_weight: Mapping[int, float] | Sequence[float] | None
    every: Duration
    epochs: int | None
    batches_per_pass: int | None
    report_every: int | Duration | None
    fading: float | None
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
        batches in flight at once, at most.
    loss
        the function that training minimises.
    scores
        reported beside the loss; None: `loss.default_scores`, which are `nn.Accuracy()` for `nn.SoftmaxCrossEntropy`,
        `nn.R2()` for `nn.MeanSquaredError`, `nn.BinaryAccuracy()` for `nn.BinaryCrossEntropyWithLogits`, and none for a
        loss of your own that does not declare any. Stored as a tuple.
    class_weight
        of labels, in the loss: `{0: 1, 1: 5}`, where labels that are missing weigh 1, or one number for each label. It
        multiplies the weights of the samples, where the data have some; scores do not see it. Stored as a tuple.
    every
        time from the start of a validation pass to the start of the next: `"20s"`, a timedelta, or seconds. Stored as
        seconds. Or `"epoch"`: a pass after each epoch of any training sentinel, and `"epoch of train0"`: of this one.
        The sentinel that has ended its epoch begins the next one after the pass, which so rates the very parameters
        that the epoch led to, unless other sentinels train meanwhile. The epochs of other clients' sentinels are rated
        too, but they go on meanwhile.
    epochs
        training passes after which the sentinel rests; None: it goes on until it is detached. `attach(..., epochs=...)`
        says it later.
    batches_per_pass
        a pass is reported after this many batches: streams that never end need this or `report_every`.
    report_every
        a pass is reported after so many samples, `10_000`, or so much time, `"10s"`, instead of after each epoch: with
        the batch that reaches it. Whole numbers are samples; times are stored as seconds, a float. A quiet stream is
        reported once it has given a batch.
    fading
        the factor of a fading average, below 1: reports have `fading_loss` and `fading_accuracy` among their scores, of
        all samples so far, each worth `fading` times the next one: 0.999 looks some 1,000 samples back. Scores that do
        not add up number by number, as R2, have none. For training, whose predictions leave before the update:
        a stream's average is that of samples the network has never seen. Gama, Sebastião, Rodrigues, 'On evaluating
        stream learning algorithms', Machine Learning 90, 2013.
    on_nonfinite
        the answer to a loss, or a gradient of it, that is NaN or infinite. `"stop"`: the sentinel fails with the
        batch's name. `"skip"`: the batch changes nothing and counts as lost, and a gate whose own gradient is not
        finite makes no update of it; a pass without any other batch fails. `"rewind"`: all gates go back to their
        newest snapshot, with half the learning rate, and the pass restarts; the network has to keep snapshots. Later
        snapshots keep the lower rate.
    name
        unique in its network; None: `train0`, `validate0`, ... by its mode.
    workers
        the worker of the sentinel: a name, address or host; `beside("g1")`: that of gate g1; None: that of the first
        gate, which gets the largest arrays.

    Raises
    ------
    SpecError
        when an option is not what it should be, a score takes other targets than the loss, or a test sentinel is given
        more `epochs` than one.
    DataError
        when `provider` is no provider.

    Examples
    --------
    >>> from akkordeon_dask import Sentinel, data
    >>> Sentinel.validate(data.mnist_sample("test"), batch_size=500, every="20s")
    Sentinel.validate(data.mnist_sample('test'), batch_size=500, every=20.0)
    """

    mode: Mode
    provider: Provider
    batch_size: int = 256
    concurrency: int = 2
    loss: Loss = SoftmaxCrossEntropy()
    scores: tuple[Score, ...] = None  # type: ignore[assignment]  # until it is made
    every: float | str = 10.0
    epochs: int | None = None
    batches_per_pass: int | None = None
    on_nonfinite: Literal["stop", "skip", "rewind"] = "stop"
    name: str | None = None
    workers: str | Beside | None = None
    class_weight: ClassWeight | None = None
    report_every: int | float | None = None
    fading: float | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise SpecError(f"a sentinel's mode is one of {', '.join(get_args(Mode))}, not {self.mode!r}")
        object.__setattr__(self, "provider", as_provider(self.provider))
        object.__setattr__(self, "every", self._checked_every())
        for label in ("batch_size", "concurrency", "epochs", "batches_per_pass"):
            value = getattr(self, label)
            if value is not None or label in ("batch_size", "concurrency"):
                most = _MOST_IN_FLIGHT if label == "concurrency" else LARGEST_COUNT
                object.__setattr__(self, label, check_count(f"a sentinel's {label}", value, most))
        if self.epochs not in (None, 1) and self.mode in ("test", "predict"):
            raise SpecError(f"a {self.mode} sentinel makes one pass: leave epochs={self.epochs} out")
        check_text("a sentinel's name", self.name)
        check_workers("a sentinel's workers", self.workers)
        if self.on_nonfinite not in _NONFINITE:
            raise SpecError(f"a sentinel's on_nonfinite is one of {', '.join(_NONFINITE)}, not {self.on_nonfinite!r}")
        if not isinstance(self.loss, Loss):
            said = f"not {self.loss!r}{instead(self.loss)}"
            raise SpecError(f"a sentinel's loss is an nn.Loss, e.g. nn.SoftmaxCrossEntropy(), {said}")
        self._check_scores()
        self._check_class_weight()
        self._check_reports()

    def _checked_every(self) -> float | str:
        every = " ".join(self.every.split()) if isinstance(self.every, str) else ""
        if every != _EPOCH and not every.startswith(_EPOCH_OF):
            return parse_duration("a sentinel's every, if it is not 'epoch' or 'epoch of NAME',", self.every)
        if self.mode != "validate":
            raise SpecError(f"a {self.mode} sentinel has no every={every!r}: that is for Sentinel.validate")
        return every

    def _check_reports(self) -> None:
        every: Any = self.report_every
        if every is not None:
            if self.batches_per_pass is not None:
                raise SpecError(
                    f"report_every={every!r} and batches_per_pass={self.batches_per_pass} both end a pass: give one"
                )
            is_count = isinstance(every, Integral) and not isinstance(every, bool)
            label = "a sentinel's report_every"
            checked = check_count(label, every) if is_count else parse_duration(f"{label}, if it is no number,", every)
            object.__setattr__(self, "report_every", checked)
        if self.fading is not None:
            if self.mode != "train":
                raise SpecError(f"a {self.mode} sentinel has no fading={self.fading!r}: that is for Sentinel.train")
            object.__setattr__(self, "fading", check_number("a sentinel's fading", self.fading, above=0, below=1))

    @property
    def endless(self) -> bool:
        """Its passes are parts of a stream: they end after so many batches, samples or seconds, not with an epoch."""
        return self.batches_per_pass is not None or self.report_every is not None

    @property
    def rates_epochs(self) -> bool:
        """Its passes follow epochs, and not the clock."""
        return isinstance(self.every, str)

    def rates_epochs_of(self, name: str) -> bool:
        """It makes a pass after each epoch of the training sentinel of this name."""
        return self.every in (_EPOCH, _EPOCH_OF + name)

    @property
    def figures(self) -> dict[str, bool]:
        """The figures that its passes report, and whether greater ones are better: `{"loss": False, ...}`."""
        found = {"loss": False} | {score.name: score.greater_is_better for score in self.scores}
        fading = {} if self.fading is None else {f"fading_{name}": greater for name, greater in found.items()}
        return found | fading

    def _check_scores(self) -> None:
        scores = self.loss.default_scores if self.scores is None else self.scores
        if not isinstance(scores, tuple | list):
            raise SpecError(f"a sentinel's scores are a list of nn.Score, e.g. [nn.Accuracy()], not {scores!r}")
        for score in scores:
            if not isinstance(score, Score):
                raise SpecError(f"a sentinel's scores are nn.Score, e.g. nn.Accuracy(), not {score!r}")
            if not self.loss.suits(score):
                raise SpecError(_misfit(self.loss, score))
        object.__setattr__(self, "scores", tuple(scores))
        self._check_score_names()

    def _check_score_names(self) -> None:
        names = [check_printable(f"the name of {score!r}", score.name) for score in self.scores]
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"a sentinel's scores have names of their own: two are {name!r} in {self.scores!r}")
        taken = {"epoch", "loss"} | (set() if self.fading is None else {f"fading_{name}" for name in ("loss", *names)})
        for name, score in zip(names, self.scores, strict=True):
            if name in taken:
                raise SpecError(f"a pass reports a {name} of its own, and {score!r} has that name: give it another one")

    def _check_class_weight(self) -> None:
        if self.class_weight is None:
            return
        object.__setattr__(self, "class_weight", check_class_weight(self.class_weight))
        if self.loss.targets == "values" or not self.loss.takes_weights:
            needs = "takes no labels" if self.loss.targets == "values" else "has no argument weights"
            raise SpecError(f"class_weight weighs labels, and {self.loss!r} {needs}: leave class_weight out")

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
