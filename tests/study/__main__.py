"""`python -m tests.study STAGE`: runs what has no result yet, and prints the stage's tables."""

from pathlib import Path

import click

from tests.study._policies import COLUMNS
from tests.study._runs import results
from tests.study._stages import best_three, stage_a, stage_b_first, stage_b_second, stage_c
from tests.study._tables import by_delay, paired


@click.command(help=__doc__)
@click.argument("stage", type=click.Choice(["a", "b", "c"]))
@click.option("--folder", default="study-results", type=click.Path(file_okay=False, path_type=Path), show_default=True)
@click.option("--limit", default=float("inf"), help="Seconds after which no further run begins.")
@click.option("--seeds", default=5, help="Of stage c.", show_default=True)
@click.option("--epochs", default=8, help="Of stage c.", show_default=True)
@click.option("--column", type=click.Choice(list(COLUMNS)), help="Of stage c; all of them.")
def main(stage: str, folder: Path, limit: float, seeds: int, epochs: int, column: str | None) -> None:
    """One stage."""
    if stage == "c":
        print(
            paired(
                results([run for run in stage_c(seeds, epochs) if column in (None, run.column)], folder, limit=limit)
            )
        )
        return
    if stage == "a":
        print(by_delay(results(stage_a(), folder, limit=limit)))
        return
    found = results(stage_a(), folder, limit=0)
    chosen = {column: best_three(found, column) for column in COLUMNS if column != "Muon"}
    first = results(stage_b_first(chosen), folder, limit=limit)
    print(paired(results(stage_b_second(first), folder, limit=limit)))


if __name__ == "__main__":
    main()
