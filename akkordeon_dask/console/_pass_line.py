"""A pass as a line of text."""

from akkordeon_dask.messages import PassReport

__all__ = ["pass_line"]


def pass_line(report: PassReport) -> str:
    """A pass in the form of botkop/akkordeon (2018), which this project follows, with the name of each score.

    Examples
    --------
    >>> pass_line(PassReport("tdp", "train", 1, 2.939994, {"accuracy": 0.226185}, 60_000, 0, 7.10507, 0))
    'tdp        epoch:     1 loss:  2.939994 duration: 7105.07ms scores: (accuracy: 0.226185)'
    """
    scores = ", ".join(f"{name}: {score:.6f}" for name, score in report.scores.items())
    return (
        f"{report.sentinel:<10} epoch: {report.epoch:5d} loss: {report.loss:9.6f} "
        f"duration: {report.seconds * 1e3:7.2f}ms scores: ({scores})"
    )
