"""Loss and scores of a stream in which older samples count less and less."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from akkordeon_dask.actors.sentinel._evaluation import (
    ScoreStates,
    merge_scores,
    read_scores,
    save_scores,
    score_results,
)
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import Score, ScoreState

__all__ = ["FadingAverage"]

_PREFIX = "fading_"


@dataclass(frozen=True, slots=True)
class FadingAverage:
    """The sums of all batches so far, each worth `factor` for each sample since. Its samples fade together.

    Scores fade that add up number by number, as accuracy and F1 do, and not R2 and the area under a curve.

    Gama, Sebastião, Rodrigues, 'On evaluating stream learning algorithms', Machine Learning 90, 2013.
    """

    loss: float = 0.0
    weight: float = 0.0
    scores: ScoreStates = field(default_factory=dict)

    def added(self, batch: BatchInFlight, factor: float, scores: Iterable[Score]) -> "FadingAverage":
        """The average with one more completed batch."""
        assert batch.loss is not None
        share, weight = factor ** len(batch.x), float(len(batch.x) if batch.weight is None else batch.weight)
        fading = [score for score in scores if score.name in batch.scores and _fades(score, batch.scores[score.name])]
        before = {name: _times(state, share) for name, state in self.scores.items()}
        new = {score.name: batch.scores[score.name] for score in fading}
        return FadingAverage(
            share * self.loss + batch.loss * weight, share * self.weight + weight, merge_scores(fading, before, new)
        )

    def results(self, sentinel: Sentinel) -> dict[str, float]:
        """The averages by their names in a report; none before the first batch."""
        if not self.weight:
            return {}
        results = score_results([score for score in sentinel.scores if score.name in self.scores], self.scores)
        return {f"{_PREFIX}{name}": value for name, value in (("loss", self.loss / self.weight), *results.items())}

    def as_dict(self) -> dict[str, Any]:
        """Its fields, as JSON has them."""
        return {"loss": self.loss, "weight": self.weight, "scores": save_scores(self.scores)}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> "FadingAverage":
        """The average that `as_dict` returned; raises a KeyError or TypeError for anything else."""
        return cls(saved["loss"], saved["weight"], read_scores(saved["scores"], 0))


def _fades(score: Score, state: ScoreState) -> bool:
    """The state is made of numbers that add up."""
    return type(score).merge is Score.merge and all(map(_is_numeric, state))


def _is_numeric(one: Any) -> bool:
    return all(map(_is_numeric, one)) if isinstance(one, tuple) else isinstance(one, int | float)


def _times(state: Any, share: float) -> Any:
    return tuple(_times(one, share) for one in state) if isinstance(state, tuple) else state * share
