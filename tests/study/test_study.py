"""The study: which runs it has, and that none is repeated."""

from dataclasses import dataclass

from tests.study._policies import COLUMNS
from tests.study._runs import results
from tests.study._stages import best_three, stage_a, stage_b_first, stage_b_second, stage_c
from tests.study._tables import by_delay, paired


@dataclass(frozen=True)
class FakeRun:
    """Counts how often it trains."""

    name: str
    trained: list = None
    stage = "a"

    def train(self):
        self.trained.append(self.name)
        return {"accuracy": 0.5}

    def __hash__(self):
        return hash(self.name)


def test_a_run_that_has_a_result_is_not_repeated(tmp_path):
    trained = []
    runs = [FakeRun(name, trained) for name in "xyx"]
    assert results(runs[:1], tmp_path) == {runs[0]: {"accuracy": 0.5}}
    assert results(runs, tmp_path).keys() == {runs[0], runs[1]}
    assert trained == ["x", "y"]
    assert results([FakeRun("z", trained)], tmp_path, limit=0) == {}


def test_each_run_has_a_file_of_its_own():
    runs = [*stage_a(), *stage_c(5, 8)]
    assert len({run.name for run in runs}) == len(set(runs)) > 700


def test_a_stage_takes_what_did_best_in_the_one_before():
    found = {run: {"accuracy": 0.9 if run.policy == "GapAware" else 0.5} for run in stage_a()}
    chosen = {column: best_three(found, column) for column in COLUMNS if column != "Muon"}
    assert all(policies[0] == "GapAware" and len(policies) == 3 for policies in chosen.values())
    first = {run: {"accuracy": run.lr} for run in stage_b_first(chosen)}
    second = stage_b_second(first)
    assert {run.seed for run in second} == {0, 1, 2}
    best = max(run.lr for run in first if run.column == "SGD")
    assert {run.lr for run in second if run.column == "SGD"} == {best}
    assert "| plain | 50.00 |" in by_delay(found)
    assert "| GapAware | 8 |  | 3 |" in paired({run: {"accuracy": 0.5} for run in second})
