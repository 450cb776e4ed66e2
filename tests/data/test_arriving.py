"""Samples that arrive by and by: queues, folders that fill, topics of Kafka."""

import asyncio
import multiprocessing
import os
import pickle
import queue
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from akkordeon_dask import Sentinel, data
from akkordeon_dask.data._polling_source import PollingSource
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE


class Arrivals:
    """A connection on which batches of the given sizes come, with vain polls between them."""

    origin = ""

    def __init__(self, sizes):
        numbers = iter(range(sum(sizes)))
        self.left = [None if size == 0 else np.array([next(numbers) for _ in range(size)]) for size in sizes]
        self.closed = False

    def poll(self, seconds):
        if not self.left:
            raise EOFError
        batch = self.left.pop(0)
        return None if batch is None else (batch[:, np.newaxis], batch)

    def close(self):
        self.closed = True


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any), st.integers(1, 6))
def test_samples_are_cut_into_batches_in_the_order_of_their_arrival(sizes, batch_size):
    source = PollingSource("arrivals", Arrivals(sizes), linger=60.0)
    batches = list(source.batches(1, batch_size))
    assert_array_equal(np.concatenate([y for _, y in batches]), np.arange(sum(sizes)))
    assert all(len(x) == batch_size for x, _ in batches[:-1])
    assert 1 <= len(batches[-1][0]) <= batch_size


def test_without_any_patience_samples_leave_as_they_come():
    source = PollingSource("arrivals", Arrivals([2, 0, 3]), linger=0.0)
    assert [len(x) for x, _ in source.batches(1, 10)] == [2, 3]


def test_weights_are_cut_with_their_samples_and_have_to_be_there_for_all_or_none():
    numbers = np.arange(7)
    parts = iter([(part, part, part / 2) for part in (numbers[:2], numbers[2:7])])
    connection = Arrivals([2, 5])
    connection.poll = lambda seconds: next(parts)
    batches = PollingSource("arrivals", connection, linger=60.0).batches(1, 3)
    for _ in range(2):
        _, y, weights = next(batches)
        assert_array_equal(weights, y / 2)
    unlike = iter([(numbers[:1], None), (numbers[:1], None, numbers[:1])])
    connection.poll = lambda seconds: next(unlike)
    with pytest.raises(DataError, match=r"arrivals gave samples of different shapes, \(\), none"):
        next(PollingSource("arrivals", connection, linger=60.0).batches(1, 2))


def test_samples_of_different_shapes_do_not_become_one_batch():
    connection, unlike = Arrivals([]), iter([np.zeros((1, 1)), np.zeros((1, 2))])
    connection.poll = lambda seconds: (next(unlike), None)
    with pytest.raises(DataError, match=r"arrivals gave samples of different shapes, \(1,\), \(2,\)"):
        next(PollingSource("arrivals", connection, linger=60.0).batches(1, 2))


def test_a_reader_that_waits_in_vain_gives_up_when_it_is_interrupted():
    source = data.stream(queue.Queue()).open()
    ended = threading.Event()

    def read():
        assert list(source.batches(1, 4)) == []
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    source.interrupt()
    assert ended.wait(PATIENCE)
    thread.join()


def test_a_queue_gives_its_batches_until_none_ends_it():
    items = queue.Queue()
    for number in range(3):
        items.put((np.full((2, 1), number), np.zeros(2)))
    items.put(None)
    source = data.stream(items).open()
    assert [x[0, 0] for x, _ in source.batches(1, 100)] == [0, 1, 2]
    with pytest.raises(DataError, match=r"data\.stream\(<Queue>\) has ended: epoch 2 would have no samples"):
        list(source.batches(2, 100))


@for_each("items", [queue.Queue(), queue.SimpleQueue(), queue.PriorityQueue(), multiprocessing.Queue()])
def test_a_queue_of_one_process_does_not_travel_and_names_one_that_does(items):
    with pytest.raises(DataError, match=r"data\.stream\(<\w+>\): a queue of one process .* distributed\.Queue"):
        cloudpickle.dumps(Sentinel.train(data.stream(items), report_every=100))


def test_a_queue_whose_items_are_awaited_is_refused_where_it_is_given():
    with pytest.raises(DataError, match=r"data\.stream\(<Queue>\): items of an asyncio queue .* distributed\.Queue"):
        data.stream(asyncio.Queue())


def put(folder, name, first, count, when):
    path = folder / name
    np.savez(path, x=np.arange(first, first + count)[:, np.newaxis], y=np.arange(first, first + count))
    os.utime(path, (when, when))


def read(path):
    with np.load(path) as file:
        return file["x"], file["y"]


def drawn(batches, count):
    """The next `count` samples, however they are cut."""
    found = []
    while len(found) < count:
        found += next(batches)[1].tolist()
    return found


def test_a_folders_files_are_read_once_each_in_the_order_of_their_times(tmp_path):
    put(tmp_path, "b.npz", 0, 3, 1)
    put(tmp_path, "a.npz", 3, 3, 2)
    put(tmp_path, ".c.npz", 90, 3, 0)
    (tmp_path / "notes.txt").write_text("not samples")
    provider = pickle.loads(pickle.dumps(data.stream_folder(tmp_path, read, pattern="*.npz", linger=1e-3)))
    batches = provider.open().batches(1, 6)
    assert drawn(batches, 6) == [0, 1, 2, 3, 4, 5]
    put(tmp_path, "c.npz", 6, 2, 3)
    assert drawn(batches, 2) == [6, 7]


def test_a_file_without_samples_is_passed_over(tmp_path):
    for number, (first, count) in enumerate([(0, 2), (2, 0), (2, 2)]):
        put(tmp_path, f"{number}.npz", first, count, number)
    batches = data.stream_folder(tmp_path, read, done=tmp_path / "done", linger=1e-3).open().batches(1, 4)
    assert drawn(batches, 4) == [0, 1, 2, 3]


@for_each("broken, said", [
    (lambda: None, r"its function returned None for .*b\.npz: it has to return \(x, y\)"),
    (lambda: (np.zeros((2, 3)), np.zeros(2)), r"b\.npz, gave samples of different shapes, \(1,\), \(3,\)"),
    (lambda: (np.zeros((2, 1)), np.zeros((2, 4))), r"b\.npz, gave samples of different shapes, \(\), \(4,\)"),
    (lambda: (np.zeros((2, 1)), np.zeros(3)), r"b\.npz: x has 2 samples, y has 3"),
    (lambda: (np.zeros((0, 1)), np.zeros(3)), r"b\.npz: x has 0 samples, y has 3"),
    (lambda: (np.array([["a"]]), np.zeros(1)), r"b\.npz: x holds"),
    (lambda: np.zeros(3), r"b\.npz: a batch is \(x, y\)"),
])  # fmt: skip
def test_the_file_that_is_to_blame_is_named(tmp_path, broken, said):
    for number, name in enumerate("abc"):
        put(tmp_path, f"{name}.npz", number, 1, number)
    stream = data.stream_folder(tmp_path, lambda path: broken() if "b.npz" in path else read(path), linger=60)
    with pytest.raises(DataError, match=said):
        list(stream.open().batches(1, 10))


def test_two_readers_share_a_folder_whose_files_move(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(6):
        put(tmp_path / "in", f"{number}.npz", number, 1, number)
    provider = data.stream_folder(tmp_path / "in", read, done=tmp_path / "done", linger=1e-3)
    one, other = (provider.open().batches(1, 1) for _ in range(2))
    assert sorted(drawn(one, 2) + drawn(other, 3) + drawn(one, 1)) == [0, 1, 2, 3, 4, 5]
    assert not any((tmp_path / "in").iterdir())


def test_a_file_whose_name_was_there_before_is_read_and_overwrites_nothing(tmp_path):
    (tmp_path / "in").mkdir()
    batches = data.stream_folder(tmp_path / "in", read, done=tmp_path / "done", linger=1e-3).open().batches(1, 1)
    for number in range(3):
        put(tmp_path / "in", "day.npz", number, 1, number)
        assert drawn(batches, 1) == [number]
    kept = {path.name: read(path)[1].tolist() for path in (tmp_path / "done").iterdir()}
    assert kept == {"day.npz": [0], "day-2.npz": [1], "day-3.npz": [2]}


def test_files_of_one_name_that_move_at_the_same_time_are_all_kept(tmp_path):
    folders = [tmp_path / f"in-{number}" for number in range(4)]
    all_there = threading.Barrier(len(folders), timeout=PATIENCE)

    def move_some(folder):
        batches = data.stream_folder(folder, read, done=tmp_path / "done", linger=1e-3).open().batches(1, 1)
        for number in range(20):
            put(folder, "day.npz", number, 1, number)
            all_there.wait()
            assert drawn(batches, 1) == [number]

    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(len(folders)) as threads:
        list(threads.map(move_some, folders))
    kept = sorted(read(path)[1].item() for path in (tmp_path / "done").iterdir())
    assert kept == sorted(list(range(20)) * len(folders))


def test_a_folder_of_read_files_that_vanishes_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    batches = data.stream_folder(tmp_path / "in", read, done=tmp_path / "done", linger=1e-3).open().batches(1, 1)
    put(tmp_path / "in", "a.npz", 0, 1, 0)
    assert drawn(batches, 1) == [0]
    shutil.rmtree(tmp_path / "done")
    put(tmp_path / "in", "b.npz", 1, 1, 1)
    with pytest.raises(DataError, match=r"b\.npz cannot be moved to .*done"):
        drawn(batches, 1)
    assert (tmp_path / "in" / "b.npz").exists()


@for_each("make, said", [
    (lambda folder: data.stream_folder(folder / "none", read).open(), r"there is no folder .*none"),
    (lambda folder: data.stream_folder("s3://bucket", read), r"'s3://bucket' is a URL"),
    (lambda folder: data.stream_folder(folder, "read"), r"read='read': give a function"),
    (lambda folder: next(data.stream_folder(folder, np.load, linger=1e-3).open().batches(1, 1)), r"bad cannot be read"),
    (lambda folder: data.stream_folder(folder, read, pattern="*/*.npz"), "folders below have streams of their own"),
    (lambda folder: data.stream_folder(folder, read, done=folder), "is the folder that is read: give another one"),
    (lambda folder: data.stream_kafka("", "topic", bytes), r"servers='': give text"),
])  # fmt: skip
def test_a_stream_that_cannot_be_read_says_why(make, said, tmp_path):
    (tmp_path / "bad").write_bytes(b"no array")
    with pytest.raises(DataError, match=said):
        make(tmp_path)


def test_a_folder_by_another_name_does_not_take_the_files_that_were_read(tmp_path):
    put(tmp_path, "a.npz", 0, 1, 1)
    (tmp_path / "alias").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"done='.*alias' is the folder .* that is read: give another one"):
        data.stream_folder(tmp_path, read, done=tmp_path / "alias", linger=1e-3).open()
    assert (tmp_path / "a.npz").exists()


@pytest.fixture(scope="module")
def brokers():
    """A producer beside librdkafka's own mock cluster, and the address of its brokers."""
    kafka = pytest.importorskip("confluent_kafka")
    producer = kafka.Producer({"test.mock.num.brokers": 2})
    found = producer.list_topics("readings", timeout=PATIENCE)
    return producer, ",".join(f"{broker.host}:{broker.port}" for broker in found.brokers.values())


def decode(value):
    number = float(value)
    return [number, -number], number


def test_each_message_of_a_topic_is_a_sample(brokers):
    producer, servers = brokers
    for number in range(10):
        producer.produce("readings", str(number).encode())
    producer.flush(PATIENCE)
    source = data.stream_kafka(servers, "readings", decode, linger=60).open()
    try:
        batches = source.batches(1, 5)
        (x, y), (_, others) = next(batches), next(batches)
    finally:
        source.close()
    assert sorted([*y, *others]) == list(range(10))
    assert_array_equal(x, np.column_stack([y, -y]))


def test_a_message_that_cannot_be_decoded_is_named(brokers):
    producer, servers = brokers
    producer.produce("garbage", b"seven")
    producer.flush(PATIENCE)
    source = data.stream_kafka(servers, "garbage", decode, group="others").open()
    try:
        with pytest.raises(DataError, match=r"decode raised ValueError.* at partition \d, offset 0"):
            next(source.batches(1, 5))
    finally:
        source.close()


def test_errors_after_which_librdkafka_goes_on_end_no_stream(monkeypatch, caplog):
    kafka = pytest.importorskip("confluent_kafka")
    errors = [kafka.KafkaError(kafka.KafkaError._MAX_POLL_EXCEEDED), None, kafka.KafkaError(kafka.KafkaError._FATAL)]

    class Consumer:
        def __init__(self, settings):
            self.subscribe, self.close = list, dict  # which do nothing here

        def list_topics(self, topic, timeout):
            return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})

        def poll(self, seconds):
            error = errors.pop(0)
            return SimpleNamespace(error=lambda: error, value=lambda: b"7", partition=int, offset=int)

    monkeypatch.setattr(kafka, "Consumer", Consumer)
    source = data.stream_kafka("localhost:9092", "readings", decode, linger=60).open()
    try:
        batches = source.batches(1, 1)
        assert next(batches)[1].tolist() == [7]
        assert "maximum application poll interval" in caplog.text.lower()
        with pytest.raises(DataError, match="_FATAL"):
            next(batches)
    finally:
        source.close()


def test_settings_that_librdkafka_refuses_are_told(brokers):
    with pytest.raises(DataError, match="refuses its settings"):
        data.stream_kafka(brokers[1], "readings", decode, config={"no.such.setting": 1}).open()
