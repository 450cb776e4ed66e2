"""The benchmark's short form."""

import json
from contextlib import closing

import pytest
from click.testing import CliRunner

from tests.bench.__main__ import main
from tests.bench._race import Result
from tests.bench._rows import ROWS
from tests.bench._side import Side


@pytest.mark.cluster
def test_a_row_races_the_loop_on_the_sample(tmp_path):
    output = tmp_path / "bench.json"
    row = "784-50-20-10, batch 1024, one process, SGD"
    options = ("--only", row, "--rounds", "2", "--seconds", "0.01", "--sample", "--output", str(output))
    done = CliRunner().invoke(main, ["speed", *options], catch_exceptions=False)
    assert done.exit_code == 0
    content = json.loads(output.read_text(encoding="utf-8"))
    (only,) = content["rows"]
    assert only["row"] == row and only["sides"].keys() == {"actors", "loop"}
    ours = only["sides"]["actors"]
    assert len(ours["rounds"]) == 2 and all(rate > 0 for rate in ours["rounds"])
    assert len(ours["mean_delays"]) == 3 and ours["mean_delays"][-1] >= 0
    assert ours["switches_a_batch"] >= 0
    assert {"cpu", "cores", "mhz", "load", "load_after", "blas"} <= content["machine"].keys()


def test_ratios_are_taken_round_by_round_and_delays_over_all_rounds():
    rates = {"actors": [200, 900], "loop": [100, 300]}
    delays = [[{"0": 1, "2": 3}, {"0": 4}], [{"2": 4}, {"0": 4}]]
    runs = {side: [{"samples_per_s": rate} for rate in rounds] for side, rounds in rates.items()}
    for run, counts in zip(runs["actors"], delays, strict=True):
        run |= {"delays": counts, "switches_a_batch": 1.0}
    result = Result(ROWS[0], runs)
    assert list(result.ratios("actors", "loop")) == [2.0, 3.0]
    assert result.delays("actors") == [14 / 8, 0.0] and result.delays("loop") == []
    assert result.greatest("actors") == [2, 0]
    assert result.switches("actors") == 1.0 and result.switches("loop") is None


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["torch", "ray"])
def test_a_peer_trains(kind):
    pytest.importorskip(kind)
    with closing(Side(kind, ROWS[0].name, sample=True)) as side:
        assert side.run(0.01)["samples_per_s"] > 0


def test_the_process_of_a_side_that_fails_is_an_error():
    with pytest.raises(RuntimeError, match="the process of loop ended, its error is above"):
        Side("loop", "no such row", sample=True)
