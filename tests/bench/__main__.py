"""`python -m tests.bench`: prints a table, writes JSON."""

import json
import os
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from tests.bench._accuracy import LEARNING_RATE, accuracy
from tests.bench._loaded import loaded
from tests.bench._machine import load, machine
from tests.bench._memory import memory
from tests.bench._messages import messages
from tests.bench._outlive import pauses, snapshot_phases
from tests.bench._own_arrays import NAME, own_arrays
from tests.bench._page import Phase, page_cost, page_memory
from tests.bench._policies import policy_costs
from tests.bench._race import LOOP, OURS, peers, race
from tests.bench._rows import ROWS
from tests.bench._scale import scale
from tests.bench._serve import MESSAGES
from tests.bench._soak import soak
from tests.bench._table import show

CHECKOUT = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


@click.group(invoke_without_command=True, help="Without a command: speed.")
@click.pass_context
def main(context: click.Context) -> None:
    """Measure."""
    if context.invoked_subcommand is None:
        context.invoke(speed)


@main.command(help="The estimators beside scikit-learn's, on fifteen real sets: accuracy, F1 and R2 of the same folds.")
@click.option("--seeds", default=5, show_default=True, help="Repetitions of the 5-fold cross-validation.")
@click.option("--output", default="estimators.md", show_default=True, help="Where the table goes, anew for each seed.")
def estimators(seeds: int, output: str) -> None:
    """Compare."""
    from tests.bench._estimators import compare, table

    print(table(compare(seeds, lambda studies: Path(output).write_text(table(studies)))))


@main.command(
    help="A classifier fitted from Parquet larger than its workers' memory, then again while some are killed."
)
@click.option("--megabytes", default=2000.0, show_default=True, help="Of rows, in memory.")
@click.option("--part", default=2.0, show_default=True, help="Megabytes of a partition.")
@click.option("--workers", default=4, show_default=True, help="Processes with a thread each.")
@click.option("--limit", default="400MB", show_default=True, help="Memory limit of a worker.")
@click.option(
    "--epochs", default=3, show_default=True, help="Of each fit; in the second one as many workers are killed."
)
def collections(megabytes: float, part: float, workers: int, limit: str, epochs: int) -> None:
    """Fit twice."""
    from tests.bench._collections import measure

    measure(megabytes, part, workers, limit, epochs, click.echo)


@main.command(
    name="peers", help="One table trained by this package, xgboost.dask, dask-ml and skorch, also with a worker killed."
)
@click.option("--megabytes", default=200.0, show_default=True, help="Of rows, in memory.")
@click.option("--epochs", default=5, show_default=True, help="Passes, or rounds of boosting.")
@click.option("--workers", default=2, show_default=True, help="Processes with a thread each.")
@click.option("--memory", default="2GB", show_default=True, help="Limit of a worker.")
@click.option("--limit", default=300.0, show_default=True, help="Seconds after which a side is ended.")
@click.option("--only", default="", help="Only sides whose key contains this: akkordeon, xgboost, incremental, skorch.")
@click.option("--output", default="peers.md", show_default=True, help="Where the table goes.")
def beside_peers(
    megabytes: float, epochs: int, workers: int, memory: str, limit: float, only: str, output: str
) -> None:
    """Train all."""
    from tests.bench._peers import compare, table

    found = compare(megabytes, epochs, workers, memory, limit, only, click.echo)
    Path(output).write_text("\n".join(table(found)) + "\n")


@main.command(help="Training speed against a plain numpy loop and other peers, in turn, and what a message costs.")
@click.option("--rounds", default=10, show_default=True, help="Rounds of each row.")
@click.option("--seconds", default=0.5, show_default=True, help="Of a side's run in a round, about.")
@click.option("--only", default="", help="Only rows whose name contains this; 'own arrays', 'messages'.")
@click.option("--before", type=CHECKOUT, help="Race against the code of this other checkout, too.")
@click.option(
    "--peers", "rivals", is_flag=True, help="Race against PyTorch and Ray, too, whose daemons never quite rest."
)
@click.option("--sample", is_flag=True, help="Train on the sample in the package: no row needs the full MNIST.")
@click.option("--output", default="bench.json", show_default=True, help="Where the figures go as JSON.")
def speed(
    rounds: int = 10,
    seconds: float = 0.5,
    only: str = "",
    before: Path | None = None,
    rivals: bool = False,
    sample: bool = False,
    output: str = "bench.json",
) -> None:
    """Run all rows."""
    console = Console(stderr=True)
    results, there = [], machine()
    missing = [name for name in ("torch", "ray") if find_spec(name) is None]
    if rivals and missing:
        console.print(f"not installed, and left out: {', '.join(missing)} (pip install '.[bench]')")
    for row in ROWS:
        if only in row.name:
            with console.status(row.name):
                results.append(race(row, rounds, seconds, before, peers(row) if rivals else (), sample=sample))
            console.print(f"{row.name}: {np.median(results[-1].ratios(OURS, LOOP)):.2f} of the loop")
    own = own_arrays(rounds) if only in NAME and not sample else None
    costs = messages(rounds, before) if only in MESSAGES else {}
    show(results, costs)
    if own is not None:
        click.echo(f"{own['row']}: {own['samples_per_s']:,} samples/s, {own['ratio']} of data.mnist's there")
    there["load_after"] = load()
    click.echo(", ".join(f"{key} {value}" for key, value in there.items()))
    content = {"machine": there, "rows": [r.as_dict() for r in results], "own_arrays": own, "message_us": costs}
    Path(output).write_text(json.dumps(content, indent=1) + "\n")
    console.print(f"written to {os.path.abspath(output)}")


@main.command(name="torch", help="Actors with torch modules against a torch loop, PyTorch's pipelines, and Ray.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of each row.")
@click.option("--seconds", default=3.0, show_default=True, help="Of a side's run in a round, about.")
@click.option("--only", default="", help="Only rows whose name contains this.")
@click.option("--before", type=CHECKOUT, help="Race against the code of this other checkout, too.")
@click.option("--peers/--no-peers", default=True, show_default=True, help="Race against pipelines and Ray, too.")
def torch_modules(rounds: int, seconds: float, only: str, before: Path | None, peers: bool) -> None:
    """Train."""
    from tests.bench._module_race import module_race

    for line in module_race(only, rounds, seconds, before, peers=peers):
        click.echo(line)
    click.echo(f"load {load()}")


@main.command(name="loaded", help="The share of its speed that training keeps beside another program on all cores.")
@click.option("--rounds", default=10, show_default=True, help="Each alone, then beside the other program.")
@click.option("--seconds", default=1.0, show_default=True, help="Of a run, about.")
@click.option("--only", default="batch 128, one process, SGD", show_default=True, help="Rows whose name contains this.")
@click.option("--before", type=CHECKOUT, help="Another checkout, whose code is measured too.")
def beside_others(rounds: int, seconds: float, only: str, before: Path | None) -> None:
    """Train."""
    for row in (row for row in ROWS if only in row.name):
        for one in loaded(row, rounds, seconds, before):
            low, middle, high = (f"{share:.2f}" for share in one.shares)
            late = "" if one.greatest is None else f", no gradient more than {one.greatest} updates late"
            keeps = f"keeps {middle} ({low} to {high}) of {one.alone:,.0f} samples/s{late}"
            click.echo(f"{row.name}, {one.side}: {keeps}; load {load()}")


@main.command(name="policies", help="Speed and delay with each answer to late gradients, beside plain SGD.")
@click.option("--batch-size", default=128, show_default=True)
@click.option("--workers", default=0, show_default=True, help="0: one process; else that many worker processes.")
@click.option("--rounds", default=10, show_default=True, help="Rounds, each with all policies in turn.")
@click.option("--seconds", default=0.5, show_default=True, help="Of a run, about.")
def policies(batch_size: int, workers: int, rounds: int, seconds: float) -> None:
    """Train."""
    for one in policy_costs(batch_size, workers, rounds, seconds):
        low, middle, high = (f"{ratio:.2f}" for ratio in one.over_plain)
        delays = " ".join(f"{delay:.2f}" for delay in one.delays)
        click.echo(f"{one.policy}: {middle} ({low} to {high}) of plain SGD's samples/s, delay of the gates {delays}")
    click.echo(f"load {load()}")


@main.command(name="scale", help="Worker processes with a gate each that sleeps 10 ms in each pass.")
@click.option("--workers", default="2,4,8,16", show_default=True, help="How many.")
@click.option("--seconds", default=8.0, show_default=True, help="Of each measurement, about.")
def scaled(workers: str, seconds: float) -> None:
    """Train."""
    for number in map(int, workers.split(",")):
        one = scale(number, seconds)
        share = f"{one.share:.3f} of the ideal samples/s"
        click.echo(f"{number:2d} workers: {share}, a hop adds {one.hop_us:.0f} us; load {load()}")


@main.command(name="accuracy", help="Test accuracy on the full MNIST, actors beside a sequential loop.")
@click.option("--sizes", default="784,50,20,10", show_default=True, help="Of the layers.")
@click.option("--lr", default=LEARNING_RATE, show_default=True, help="At its top.")
@click.option("--dropout", default=0.0, show_default=True, help="In every gate but the last.")
@click.option("--epochs", default=30, show_default=True, help="Passes over the training data.")
@click.option("--seeds", default=1, show_default=True, help="Seeds 0, 1, ...")
def accuracies(sizes: str, lr: float, dropout: float, epochs: int, seeds: int) -> None:
    """Train both."""
    for seed in range(seeds):
        actors, loop = accuracy(tuple(map(int, sizes.split(","))), lr, dropout, epochs, seed)
        click.echo(f"{sizes}, {epochs} epochs, seed {seed}: actors {actors:.2%}, sequential loop {loop:.2%}")


@main.command(name="memory", help="Resident memory over many epochs on the sample.")
@click.option("--epochs", default=200, show_default=True, help="In all.")
@click.option("--every", default=20, show_default=True, help="Epochs between two looks.")
def resident(epochs: int, every: int) -> None:
    """Train and look."""
    for epoch, mebibytes, lent in memory(epochs, every):
        click.echo(f"epoch {epoch:4d}: {mebibytes:7.1f} MiB resident, {lent} large arrays alive")


@main.command(name="page", help="CPU seconds a sample of scheduler and workers, with the page held open and without.")
@click.option("--rounds", default=8, show_default=True, help="Pairs of phases.")
@click.option("--seconds", default=10.0, show_default=True, help="Of a phase.")
@click.option("--passes", default=1000, show_default=True, help="Known before the first phase.")
def page(rounds: int, seconds: float, passes: int) -> None:
    """Train, watched and not, in turn."""
    phases = []
    for phase in page_cost(rounds, seconds, passes):
        phases.append(phase)
        cost, rate = f"{phase.cost:7.3f} us of CPU a sample", f"{phase.samples / phase.seconds:,.0f} samples/s"
        click.echo(f"{_page_label(phase)}: {cost}, {rate}, scheduler {phase.share:.1%} of a core")
    watched, alone = ([phase for phase in phases if phase.watched is kind] for kind in (True, False))
    for kind in (watched, alone):
        cost, share = (np.median([getattr(phase, name) for phase in kind]) for name in ("cost", "share"))
        click.echo(f"median {_page_label(kind[0])}: {cost:.3f} us a sample, scheduler {share:.1%} of a core")
    ratios = [100 * (a.cost / b.cost - 1) for a, b in zip(watched, alone, strict=True)]
    low, middle, high = np.quantile(ratios, (0.25, 0.5, 0.75))
    click.echo(f"open over closed, of neighbours: median {middle:+.1f} %, quartiles {low:+.1f} to {high:+.1f} %")


def _page_label(phase: Phase) -> str:
    return "open  " if phase.watched else "closed"


@main.command(name="hours", help="The scheduler's memory with the page held open, an hour of updates in a good minute.")
@click.option("--hours", default=3, show_default=True, help="Of updates.")
def hours(hours: int) -> None:
    """Train and look."""
    for rows, mebibytes, events in page_memory(hours):
        click.echo(f"{rows:6d} updates: scheduler {mebibytes:7.1f} MiB resident, {events} events")


@main.command(name="moves", help="Milliseconds without a gate that moves between two processes while it trains.")
@click.option("--moves", default=8, show_default=True, help="To and fro, for each size.")
def moves(moves: int) -> None:
    """Train and move."""
    for mebibytes in (1, 10, 100):
        found = np.array(list(pauses(mebibytes, moves)))
        (median, slower), (least, most) = np.median(found, axis=0), (found[:, 0].min(), found[:, 0].max())
        text = f"{mebibytes:4d} MiB: {median:6.0f} ms without it ({least:.0f} to {most:.0f})"
        click.echo(f"{text}, throughput before over after {slower:.2f}")


@main.command(name="snapshots", help="What a snapshot of each gate costs the training: phases with one and without.")
@click.option("--rounds", default=40, show_default=True, help="Snapshots of each gate.")
@click.option("--every", default=5.0, show_default=True, help="Seconds from one to the next.")
def snapshots(rounds: int, every: float) -> None:
    """Train."""
    for row in (one for one in ROWS if "one process, DCASGDa" in one.name and one.batch_size > 128):
        phases = list(snapshot_phases(row, rounds, every))
        for name, unit in (("seconds", "of the speed"), ("cpu", "of the CPU")):
            low, middle, high = (f"{100 * share:+.2f}" for share in _of_neighbours([getattr(p, name) for p in phases]))
            click.echo(f"{row.name}: one every {every:g} s costs {middle} % {unit} (95 % sure: {low} to {high})")


def _of_neighbours(phases: list[float]) -> list[float]:
    """How much more every second phase took than the mean of the two beside it, as a share of two such phases.

    The median, and beside it what lies around the true one 19 times of 20, whatever the distribution (sign test).
    """
    with_, without = np.array(phases[1::2]), np.array(phases[::2])
    beside = (without[:-1] + without[1:]) / 2
    shares = np.sort((with_ - beside) / (2 * beside))
    apart = round(0.98 * np.sqrt(len(shares)))  # 1.96 deviations of a count of heads
    middle = len(shares) // 2
    return [shares[max(0, middle - apart)], float(np.median(shares)), shares[min(len(shares) - 1, middle + apart)]]


@main.command(name="soak", help="Memory, threads and open files of all processes, while sentinels come and go.")
@click.option("--minutes", default=60.0, show_default=True, help="How long.")
@click.option("--samples", default=12, show_default=True, help="Looks at the processes.")
def soaked(minutes: float, samples: int) -> None:
    """Train and look."""
    for looks in soak(minutes, samples):
        shown = [f"{one.process} {one.mebibytes:.0f} MiB {one.threads} threads {one.files} files" for one in looks]
        passes, joined = looks[0].passes, looks[0].joined
        click.echo(f"{looks[0].minutes:5.1f} min, {passes:,} passes, {joined} joined: {', '.join(shown)}")


@main.command(name="language", help="Bits a character of examples/language_model.py, beside a plain loop of torch.")
@click.option("--sides", default="loop,actors", show_default=True, help="Of these.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Of weights and windows.")
@click.option("--rates", default="0.002", show_default=True, help="Learning rates of AdamW, at their top.")
@click.option("--epochs", default=8, show_default=True, help="Passes of each of the two sentinels.")
@click.option("--output", default="language.jsonl", show_default=True, help="A curve is appended in each line.")
def language(sides: str, seeds: str, rates: str, epochs: int, output: str) -> None:
    """Train."""
    from tests.bench._language import SIDES, Setting

    for seed, rate, side in product(map(int, seeds.split(",")), map(float, rates.split(",")), sides.split(",")):
        curve = SIDES[side](Setting(seed, rate, epochs))
        click.echo(curve)
        with Path(output).open("a") as file:
            file.write(f"{curve}\n")


if __name__ == "__main__":
    main()
