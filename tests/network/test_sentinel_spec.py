"""A sentinel that cannot work as written says so at once, quoting what was written."""

from dataclasses import dataclass

import numpy as np
import pytest

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.errors import DataError, SpecError

SAMPLE = data.mnist_sample("test", take=8)


@pytest.mark.parametrize("option", ["batch_size", "concurrency", "epochs", "batches_per_pass"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True])
def test_a_count_is_a_whole_number_from_1(option, value):
    with pytest.raises(SpecError, match=rf"a sentinel's {option} is a whole number of at least 1") as caught:
        Sentinel.train(SAMPLE, **{option: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("option", ["batch_size", "concurrency", "epochs", "batches_per_pass", "report_every"])
def test_a_count_is_not_larger_than_what_can_be_told_or_kept(option):
    with pytest.raises(SpecError, match=rf"a sentinel's {option} is a whole number of at most \d+, not 1000"):
        Sentinel.train(SAMPLE, **{option: 10**20})


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("loss", nn.Accuracy(), "nn.Loss"),
        ("loss", "mse", "nn.Loss"),
        ("scores", [nn.MeanSquaredError()], "nn.Score"),
        ("scores", ["accuracy"], "nn.Score"),
        ("scores", nn.Accuracy(), "nn.Score"),
        ("name", "", "a word"),
        ("name", 3, "a word"),
        ("workers", 0, "name, address or host"),
        ("workers", ["alice", "bob"], "name, address or host as text, or beside('GATE')"),
    ],
)
def test_a_bad_option_is_named_and_quoted(option, value, wanted):
    with pytest.raises(SpecError, match=rf"a sentinel's {option} ") as caught:
        Sentinel.train(SAMPLE, **{option: value})
    assert wanted in str(caught.value)
    assert repr(value[0] if option == "scores" and isinstance(value, list) else value) in str(caught.value)


@pytest.mark.parametrize("mode", ["test", "predict"])
def test_a_sentinel_of_one_pass_has_no_epochs(mode):
    with pytest.raises(SpecError, match=rf"a {mode} sentinel makes one pass: leave epochs=2 out"):
        Sentinel(mode, SAMPLE, epochs=2)


def test_a_mode_is_one_of_those_there_are():
    with pytest.raises(SpecError, match="'practise'"):
        Sentinel("practise", SAMPLE)


@pytest.mark.parametrize("provider", [7, None, "mnist", np.zeros((3, 4)), {"x": 1}])
def test_a_provider_is_one_or_an_iterable_of_batches(provider):
    with pytest.raises(DataError, match="is no provider"):
        Sentinel.train(provider)


def test_an_iterable_of_batches_becomes_a_provider():
    batches = [(np.zeros((2, 3)), np.zeros(2))]
    assert Sentinel.train(batches).provider == data.stream(batches)


@pytest.mark.parametrize("kind", ["train", "validate", "test"])
def test_a_sentinel_is_written_by_its_purpose(kind):
    sentinel = getattr(Sentinel, kind)(SAMPLE, batch_size=4, every="20s", scores=[nn.TopK(3)])
    assert sentinel.mode == kind
    assert repr(sentinel) == (
        f"Sentinel.{kind}(data.mnist_sample('test', take=8), batch_size=4, scores=(nn.TopK(3),), every=20.0)"
    )


def test_a_written_default_makes_the_same_value():
    sentinel = Sentinel.train(SAMPLE)
    assert sentinel == Sentinel.train(SAMPLE, batch_size=256, concurrency=2, every="10s")
    assert sentinel != Sentinel.train(SAMPLE, batch_size=128)


@dataclass(frozen=True, repr=False)
class OwnLoss(nn.MeanSquaredError):
    """A user's loss, which may take other targets than its base."""


@dataclass(frozen=True, repr=False)
class OwnScore(nn.Accuracy):
    """A user's score."""


@pytest.mark.parametrize(
    ("loss", "scores"),
    [
        (nn.SoftmaxCrossEntropy(), (nn.Accuracy(),)),
        (nn.MeanSquaredError(), (nn.R2(),)),
        (nn.BinaryCrossEntropyWithLogits(), (nn.BinaryAccuracy(),)),
    ],
)
def test_the_default_scores_fit_the_loss(loss, scores):
    for sentinel in (Sentinel.train(SAMPLE, loss=loss), Sentinel.test(SAMPLE, loss=loss, scores=None)):
        assert sentinel.scores == scores
    assert Sentinel.train(SAMPLE, loss=loss, scores=[]).scores == ()


def test_a_loss_of_ones_own_has_no_scores_unless_it_says_so():
    class Silent(nn.Loss):
        def __call__(self, y, target, *, need_dy=True):
            raise NotImplementedError

    class Rewiring(Silent):
        default_scores = (nn.RMSE(),)

    assert Sentinel.train(SAMPLE, loss=Silent()).scores == ()
    assert Sentinel.train(SAMPLE, loss=Rewiring()).scores == (nn.RMSE(),)


def test_only_scores_that_are_not_the_losss_own_are_printed():
    assert "scores" not in repr(Sentinel.train(SAMPLE, loss=nn.MeanSquaredError(), scores=[nn.R2()]))
    assert "scores" not in repr(Sentinel.train(SAMPLE))
    assert "scores=(nn.RMSE(),)" in repr(Sentinel.train(SAMPLE, loss=nn.MeanSquaredError(), scores=[nn.RMSE()]))
    assert "scores=()" in repr(Sentinel.train(SAMPLE, scores=[]))


LABELS, VALUES = [nn.Accuracy(), nn.TopK(3)], [nn.R2(), nn.RMSE(), nn.BinaryAccuracy()]


@pytest.mark.parametrize(
    ("loss", "score", "remedy"),
    [
        *((nn.MeanSquaredError(), score, "scores=[nn.R2()]") for score in LABELS),
        *((nn.BinaryCrossEntropyWithLogits(), score, "scores=[nn.BinaryAccuracy()]") for score in LABELS),
        *((nn.SoftmaxCrossEntropy(), score, "scores=[nn.Accuracy()]") for score in VALUES),
    ],
)
def test_a_score_that_cannot_be_had_with_the_loss_is_refused_with_the_remedy(loss, score, remedy):
    with pytest.raises(SpecError) as caught:
        Sentinel.train(SAMPLE, loss=loss, scores=[score])
    assert all(said in str(caught.value) for said in (repr(loss), repr(score), remedy))


def test_losses_and_scores_of_the_user_go_with_all():
    assert Sentinel.train(SAMPLE, loss=OwnLoss(), scores=[nn.Accuracy()]).scores == (nn.Accuracy(),)
    assert Sentinel.train(SAMPLE, loss=nn.MeanSquaredError(), scores=[OwnScore()]).scores == (OwnScore(),)


def test_a_field_that_happens_to_be_called_targets_is_ones_own():
    @dataclass(frozen=True, repr=False)
    class Weighted(nn.Accuracy):
        targets: int = 3

    assert Sentinel.train(SAMPLE, scores=[Weighted()]).scores == (Weighted(),)


def test_two_scores_of_one_name_are_refused():
    with pytest.raises(SpecError, match="two are 'accuracy'"):
        Sentinel.train(SAMPLE, scores=[nn.Accuracy(), OwnScore()])


@dataclass(frozen=True, repr=False)
class Named(nn.Score):
    """A score of any name."""

    said: object

    @property
    def name(self):
        return self.said

    def __call__(self, y, target):
        return 0.0


@pytest.mark.parametrize("name", ["loss", "epoch", "", "a\nb", None, 3])
def test_a_score_has_a_printable_name_that_is_no_other_figure_of_a_pass(name):
    with pytest.raises(SpecError) as caught:
        Sentinel.validate(SAMPLE, scores=[Named(name)])
    assert repr(Named(name)) in str(caught.value)


def test_a_score_has_not_the_name_of_a_fading_average():
    for name in ("fading_loss", "fading_accuracy"):
        assert Sentinel.train(SAMPLE, scores=[nn.Accuracy(), Named(name)]).scores
        with pytest.raises(SpecError, match=f"reports a {name} of its own"):
            Sentinel.train(SAMPLE, scores=[nn.Accuracy(), Named(name)], fading=0.9)
