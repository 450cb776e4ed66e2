"""`python -m tests.study STAGE`: runs what has no result yet, and prints the stage's tables."""

from pathlib import Path
from typing import Any

import click

from tests.study._actors import ActorsRun
from tests.study._policies import COLUMNS
from tests.study._runs import NETS, SETS, results
from tests.study._stages import best_three, stage_a, stage_b_first, stage_b_second, stage_c
from tests.study._tables import by_delay, paired


@click.command(help=__doc__)
@click.argument("stage", type=click.Choice(["a", "b", "c"]))
@click.option("--folder", default="study-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
@click.option("--limit", default=float("inf"), help="Seconds after which no further run begins.")
@click.option("--seeds", default=5, help="Of stage c.", show_default=True)
@click.option("--epochs", default=8, help="Of stage c.", show_default=True)
@click.option("--column", type=click.Choice(list(COLUMNS)), help="Of stage c; all of them.")
@click.option("--net", type=click.Choice(list(NETS)), help="Of stage c; all of them.")
@click.option("--images", type=click.Choice(list(SETS)), help="Of stage c; all of them.")
@click.option("--concurrency", type=int, help="Of stage c, beside 1; all of them.")
def main(stage: str, folder: Path, limit: float, seeds: int, epochs: int, **chosen: Any) -> None:
    """One stage."""
    if stage == "c":
        runs = [run for run in stage_c(seeds, epochs) if _is_chosen(run, **chosen)]
        print(paired(results(runs, folder, limit=limit)))
        return
    if stage == "a":
        print(by_delay(results(stage_a(), folder, limit=limit)))
        return
    found = results(stage_a(), folder, limit=0)
    chosen = {column: best_three(found, column) for column in COLUMNS if column != "Muon"}
    first = results(stage_b_first(chosen), folder, limit=limit)
    print(paired(results(stage_b_second(first), folder, limit=limit)))


def _is_chosen(run: ActorsRun, concurrency: int | None, **others: str | None) -> bool:
    others_suit = all(value in (None, getattr(run, name)) for name, value in others.items())
    return others_suit and (run.concurrency == 1 or concurrency in (None, run.concurrency))


if __name__ == "__main__":
    main()
