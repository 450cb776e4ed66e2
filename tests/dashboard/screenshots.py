"""Pictures of the page, of a network at work and of none: `python -m tests.dashboard.screenshots FOLDER`."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from akkordeon_dask import Gate, Network, Sentinel, data, deploy, nn, optim
from tests.support.browser import SMALL, Tab, running_browser, tab
from tests.support.dashboard_clusters import PRELOAD, started_cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = (SMALL, (1920, 1080))
ROWS = 20
"""Seconds of history that a picture has at least."""


def network() -> Network:
    """784-100-600-100-10 in three gates, of which the middle one has most to do."""
    return (
        Gate(nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 100) >> nn.ReLU(), optim.DCASGDa(0.01), workers="alice")
        | Gate(
            nn.Linear(100, 600) >> nn.ReLU() >> nn.Linear(600, 100) >> nn.ReLU(),
            optim.DCASGDa(0.01),
            name="middle",
            workers="bob",
        )
        | Gate(nn.Linear(100, 10), optim.DCASGDa(0.005), workers="alice")
    )


def sentinels() -> list[Sentinel]:
    """Two that train and one that validates; on the sample where all of MNIST is not there."""
    full = (Path(os.environ.get("AKKORDEON_DATA", "nowhere")) / "mnist").is_dir()
    mnist = data.mnist if full else data.mnist_sample
    return [
        Sentinel.train(mnist("train", shard=(0, 2)), batch_size=512, concurrency=4),
        Sentinel.train(mnist("train", shard=(1, 2)), batch_size=256, concurrency=2),
        Sentinel.validate(mnist("test"), batch_size=1024, every="3s"),
    ]


def settle(opened: Tab) -> None:
    """Wait until all panes but that of incidents have something to show, and have been drawn once more."""
    opened.until("asked.figure('Throughput')?.renderers.length >= 9")
    opened.until("asked.curves('Throughput')[0].columns.time.length >= args[0]", ROWS)
    opened.until("Object.values(asked.values()).slice(0, -1).every((count) => count > 0) && asked.values().Loss > 1")
    newest = opened.ask("asked.curves('Throughput')[0].columns.time.at(-1)")
    opened.until("asked.curves('Throughput')[0].columns.time.at(-1) > args[0] && asked.ready()", newest)


def picture(browser: "Browser", url: str, size: tuple[int, int], file: Path, *, empty: bool = False) -> None:
    """Write what a window of this size shows."""
    with tab(browser, url, size) as opened:
        if not empty:
            settle(opened)
        opened.page.screenshot(path=file)


def main() -> None:
    """Start a cluster, take the pictures, and stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with running_browser() as browser, started_cluster(*PRELOAD) as (scheduler, client):
        picture(browser, scheduler.url(), SMALL, folder / "akkordeon-empty.png", empty=True)
        with deploy(network(), client, name="digits") as running:
            for sentinel in sentinels():
                running.attach(sentinel)
            for width, height in SIZES:
                picture(browser, scheduler.url(), (width, height), folder / f"akkordeon-{width}x{height}.png")


if __name__ == "__main__":
    main()
