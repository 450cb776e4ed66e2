"""The rows of a group's epoch: those that are done, and what is known of those of a member that is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from akkordeon_dask.actors import OpenPass, SeenBatches
from akkordeon_dask.actors.sentinel._evaluation import ScoreStates, merge_scores, score_results
from akkordeon_dask.data import Assignment, Portion, takes, unread
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["EpochSums", "remains"]


@dataclass
class EpochSums:
    """The sums of an epoch over all members."""

    sentinel: Sentinel
    done: int = 0
    """Rows that the gates were updated with."""
    rated: int = 0
    """Those whose loss is known."""
    loss: float = 0.0
    """Summed over those, each with its weight."""
    weight: float = 0.0
    """Of those."""
    scores: ScoreStates = field(default_factory=dict)
    resent: int = 0
    updates: int = 0
    samples_trained: int = 0

    def add(self, one: OpenPass, unrated: int = 0) -> None:
        """Add a member's pass, and rows of it that are done without that its loss is known."""
        self.done += one.samples + unrated
        self.rated += one.samples
        self.loss += one.loss
        self.weight += one.weight
        self.scores = merge_scores(self.sentinel.scores, self.scores, one.scores)
        self.resent += one.resent
        self.updates = max(self.updates, one.trained[0])
        self.samples_trained = max(self.samples_trained, one.trained[1])

    @property
    def mean_loss(self) -> float:
        """Of the rated rows, by their weights."""
        return self.loss / self.weight if self.weight else float("nan")

    def report(self, name: str, epoch: int, rows: int, *, seconds: float, ended: float, key: str) -> PassReport:
        """The epoch as one pass: rows that are not done are lost."""
        return PassReport(
            sentinel=name,
            mode=self.sentinel.mode,
            epoch=epoch,
            loss=self.mean_loss,
            scores=score_results(self.sentinel.scores, self.scores),
            samples=self.done,
            lost=rows - self.done,
            seconds=seconds,
            resent=self.resent,
            ended=ended,
            updates=self.updates,
            samples_trained=self.samples_trained,
            key=key,
        )


def remains(
    assignment: Assignment,
    batch_size: int,
    first: int,
    known: OpenPass | None,
    seen: Mapping[str, SeenBatches],
    front: str,
) -> tuple[OpenPass, int, tuple[Portion, ...]]:
    """What a member that is gone has left of its assignment, as the gates know it, which take no more of it.

    Parameters
    ----------
    first
        the sequence of the first batch of the assignment.
    known
        the pass as it was last reported.
    seen
        what each gate knows of its batches from `first` on.
    front
        the first gate: a gradient comes to it last.

    Returns
    -------
    known : OpenPass
    unrated : int
        rows that are done, but not yet in `known`.
    unread : tuple of Portion
        rows that no gate has ever seen.
    """
    known = OpenPass(0, first) if known is None else known
    finished = {*range(known.floor), *known.beyond}
    ends = [one.end - first for one in seen.values()]
    drawn = max(0, max(finished, default=-1) + 1, *ends)
    applied = {sequence - first for sequence in seen[front].applied}
    sizes = _batch_sizes(assignment, batch_size, drawn)
    unrated = sum(size for index, size in enumerate(sizes) if index in applied and index not in finished)
    return known, unrated, unread(assignment, batch_size, drawn)


def _batch_sizes(assignment: Assignment, batch_size: int, batches: int) -> list[int]:
    sizes = [0]
    for take in takes(assignment, batch_size):
        if len(sizes) > batches:
            break
        sizes[-1] += take.stop - take.start
        if take.ends_batch:
            sizes.append(0)
    return sizes[:batches]
