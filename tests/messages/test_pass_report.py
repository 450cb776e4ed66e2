"""Reports of passes and texts of batches: for JSON, for other processes, and for people."""

import json
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.messages import Address, Header, PassReport
from tests.support.for_each import for_each
from tests.support.numbered_samples import header

counts = st.integers(0, 10**9)
numbers = st.floats(allow_nan=False)
reports = st.builds(
    PassReport,
    sentinel=st.text(max_size=20),
    mode=st.sampled_from(["train", "validate", "test", "predict"]),
    epoch=st.integers(1, 10**6),
    loss=numbers,
    scores=st.dictionaries(st.text(max_size=10), numbers, max_size=4),
    samples=counts,
    lost=counts,
    seconds=st.floats(0, 1e9),
    resent=counts,
    ended=numbers,
    elapsed=numbers,
    updates=counts,
    samples_trained=counts,
    key=st.text(max_size=20),
)
REPORT = PassReport(
    sentinel="train0", mode="train", epoch=3, loss=0.5, scores={"accuracy": 0.75},
    samples=600, lost=10, seconds=4.0, resent=2,
)  # fmt: skip


@given(reports)
def test_a_report_as_a_dict_is_complete(report):
    plain = report.as_dict()
    assert plain.keys() == {field.name for field in fields(PassReport)} - {"confusion"} | {"samples_per_s"}
    assert plain == {name: getattr(report, name) for name in plain}


@given(reports)
def test_a_report_goes_through_json_and_comes_back_the_same(report):
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["samples_per_s"] == report.samples_per_s
    assert PassReport.from_dict(plain) == report


def test_fields_missing_from_an_older_version_have_their_defaults():
    plain = REPORT.as_dict()
    for name in ("ended", "elapsed", "updates", "samples_trained", "key"):
        del plain[name]
    assert PassReport.from_dict(plain | {"event": "pass"}) == REPORT
    del plain["loss"]
    with pytest.raises(KeyError, match="loss"):
        PassReport.from_dict(plain)


def test_the_dict_of_a_report_is_the_reader_s_own():
    REPORT.as_dict()["scores"]["accuracy"] = 0.0
    assert REPORT.scores == {"accuracy": 0.75}


@given(reports)
def test_a_report_pickles(report):
    assert pickle.loads(pickle.dumps(report)) == report


@pytest.mark.parametrize(("samples", "seconds", "rate"), [(600, 4.0, 150.0), (0, 4.0, 0.0), (600, 0.0, 0.0)])
def test_the_rate_is_samples_a_second_and_zero_where_no_time_passed(samples, seconds, rate):
    assert replace(REPORT, samples=samples, seconds=seconds).samples_per_s == rate


def test_the_rate_counts_only_completed_samples():
    assert replace(REPORT, lost=0).samples_per_s == replace(REPORT, lost=500).samples_per_s == 150.0


def test_a_report_and_a_header_cannot_be_changed():
    for value, field in [(REPORT, "loss"), (header(), "attempt")]:
        with pytest.raises(FrozenInstanceError):
            setattr(value, field, 0)


def test_a_header_names_batch_pass_and_sentinel():
    head = header(17, pass_number=4, sentinel="validate2")
    assert str(head) == "batch 17 of pass 4 of sentinel 'validate2'"


@given(st.integers(2, 10**6))
def test_a_header_names_the_attempt_from_the_second_on(attempt):
    first = header(17)
    assert str(replace(first, attempt=attempt)) == f"{first} (attempt {attempt})"


KEPT = {"reply_to", "sequence"}
"""The fields that identify a batch."""
CHANGED = header(
    attempt=5, mode="test", opening=True, network="other", generation=9, sentinel="validate2", pass_number=7,
    floor=3, deadline=0.5, weight=8.0, skips_nonfinite=True,
)  # fmt: skip


@for_each("field", sorted({field.name for field in fields(Header) if field.init} - KEPT))
def test_a_batch_is_the_same_whatever_else_its_header_says(field):
    first = header()
    other = replace(first, **{field: getattr(CHANGED, field)})
    assert other != first and other.batch == first.batch


def test_a_batch_is_another_for_another_number_or_another_sentinel_s_actor():
    heads = [header(0), header(1), header(0, home=Address("tcp://home", "sentinel-2"))]
    assert len({head.batch for head in heads}) == len(heads)


def test_a_header_pickles():
    assert pickle.loads(pickle.dumps(CHANGED)) == CHANGED
