"""Data in files by their path: IDX pairs, .npz, CSV and Parquet."""

import gzip
import os
import pickle

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from numpy.testing import assert_array_equal

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.data._idx import idx_bytes
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

ROWS = np.array([[1.0, 2.5], [3.0, 4.5], [5.0, 6.5]])
SPECIES = ["cat", "dog", "cat"]


def everything(provider):
    source = pickle.loads(pickle.dumps(provider)).open()
    ((x, y),) = source.batches(1, source.samples)
    return x, y


@pytest.fixture
def frame():
    return pandas.DataFrame({"long": ROWS[:, 0], "wide": ROWS[:, 1], "count": [3, 1, 2], "kind": SPECIES})


@pytest.fixture(params=["csv", "parquet"])
def table(request, frame, tmp_path):
    """A function that writes a table and names its provider, and the table's path."""
    path = tmp_path / f"table.{request.param}"

    def write(changed=frame):
        changed.to_csv(path, index=False) if request.param == "csv" else changed.to_parquet(path)
        return getattr(data, request.param), path

    return write


@for_each("ending", ["", ".gz"])
def test_any_pair_of_idx_files_serves_its_samples_in_rows(tmp_path, ending):
    images, labels = np.arange(24, dtype=np.int16).reshape(4, 3, 2), np.array([3, 0, 1, 1], np.uint8)
    for name, array in (("images", images), ("labels", labels)):
        content = idx_bytes(array)
        (tmp_path / (name + ending)).write_bytes(gzip.compress(content) if ending else content)
    x, y = everything(data.idx(tmp_path / f"images{ending}", tmp_path / f"labels{ending}", shuffle=False))
    assert_array_equal(x, images.reshape(4, 6))
    assert_array_equal(y, labels)
    assert (x.dtype, y.dtype) == (np.int16, np.int64)


def test_images_and_labels_of_different_numbers_are_refused(tmp_path):
    (tmp_path / "i").write_bytes(idx_bytes(np.zeros((4, 2), np.uint8)))
    (tmp_path / "l").write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match="x has 4 samples, y has 3"):
        data.idx(tmp_path / "i", tmp_path / "l").open()


def test_arrays_of_an_npz_file_are_served_in_their_dtypes(tmp_path):
    np.savez(tmp_path / "two.npz", x=np.arange(6, dtype=np.uint8).reshape(3, 2), labels=np.array([2.0, 0.0, 1.0]))
    x, y = everything(data.npz(tmp_path / "two.npz", y="labels", shuffle=False))
    assert_array_equal(x, [[0, 1], [2, 3], [4, 5]])
    assert_array_equal(y, [2.0, 0.0, 1.0])
    assert x.dtype == np.uint8
    assert everything(data.npz(tmp_path / "two.npz", y=None))[1] is None


def test_columns_of_a_table_are_the_features_and_one_is_the_target(table):
    make, path = table()
    x, y = everything(make(path, "count", columns=["wide", "long"], shuffle=False))
    assert_array_equal(x, ROWS[:, ::-1])
    assert_array_equal(y, [3, 1, 2])
    assert x.dtype == np.float32


def test_values_of_a_target_are_labels_in_the_order_of_its_classes(table):
    make, path = table()
    x, y = everything(make(path, "kind", classes=["dog", "cat"], shuffle=False))
    assert_array_equal(y, [1, 0, 1])
    assert_array_equal(x, np.column_stack([ROWS, [3, 1, 2]]))


@for_each("dtype", ["int64", "uint8", "float64"])
def test_whole_numbers_of_a_table_stay_whole_where_they_are_asked_for(table, frame, dtype):
    ids = [2**24 + 1, 7, 2**53 + 1] if dtype == "int64" else [255, 0, 7]
    make, path = table(frame.assign(id=ids))
    x, _ = everything(make(path, "kind", columns=["id"], classes=["cat", "dog"], dtype=dtype, shuffle=False))
    assert x.dtype == dtype and x[:, 0].tolist() == ids


@for_each("value", [2.5, np.inf, 256.0, -1.0])
def test_a_column_of_other_values_than_its_dtype_is_named(table, frame, value):
    make, path = table(frame.assign(odd=[1.0, value, 2.0]))
    with pytest.raises(DataError, match=rf"column 'odd' of .* has {value}, which is no uint8: leave it out"):
        make(path, None, columns=["count", "odd"], dtype="uint8").open()


SECONDS = [1_700_000_001, 1_700_000_003, 1_700_000_044]


@for_each(
    "column, said",
    [
        (SECONDS, "float32 makes 1700000000 of 1700000044, and the standard deviation of its values is 20: give"),
        ([2459000.5, 2459000.5, 2459000.625], "float32 makes 2459000.5 of 2459000.625"),
        ([*SECONDS[:2], np.inf], "float32 makes 1700000000 of 170000000"),
        ([1e39, 0.0, 1.0], r"float32 makes inf of 1e\+39|9.99\d*e\+38"),
        ([1e39] * 3, "float32 makes inf of"),
        ([1e200, -1e200, 0.0], "float32 makes inf of"),
    ],
)
def test_a_column_whose_values_float32_does_not_tell_apart_is_refused(table, frame, column, said):
    make, path = table(frame.assign(when=column))
    with pytest.raises(DataError, match=f"column 'when' of .*: {said}"):
        make(path, "kind", columns=["when"], classes=["cat", "dog"]).open()


@for_each(
    "column",
    [
        *([2**24 + 1] * 3, [0.1] * 3, [0.3, 0.1 + 0.2, 0.3], [0.0] * 3),
        *([2**31 - 1, 2**30 + 1, 5], [1e38, 1e-9, 0.1], [np.inf, 1.0, 2.0], [np.inf] * 3),
    ],
)
def test_columns_of_great_values_that_differ_as_much_are_served(table, frame, column):
    make, path = table(frame.assign(when=column))
    x, _ = everything(make(path, "kind", columns=["when"], classes=["cat", "dog"], shuffle=False))
    np.testing.assert_array_equal(x[:, 0], np.float32(column))


def test_identities_in_a_table_train_an_embedding(table, frame):
    make, path = table(frame)
    network = Gate(nn.Embedding(4, 2) >> nn.Flatten() >> nn.Linear(2, 2), optim.SGD(0.1))
    provider = make(path, "kind", columns=["count"], classes=["cat", "dog"], dtype="int64")
    with deploy(network) as running:
        running.attach(Sentinel.train(provider, batch_size=3), epochs=1)
        assert running.wait(timeout=PATIENCE)[0].samples == 3


def test_a_table_without_a_target_gives_no_labels(table, frame):
    make, path = table(frame[["long", "wide"]])
    assert everything(make(path, None))[1] is None


def test_a_file_that_was_replaced_is_read_again(table, frame):
    make, path = table(frame[["long", "count"]])
    provider = make(path, "count", shuffle=False)
    first, _ = everything(provider)
    table(frame[["long", "count"]] * 2)
    os.utime(path, ns=(1, 1))
    second, _ = everything(provider)
    assert_array_equal(second, first * 2)


def test_a_relative_path_begins_where_the_provider_was_made(table, monkeypatch, tmp_path):
    make, path = table()
    monkeypatch.chdir(tmp_path)
    provider = make(path.name, "count", columns=["long"])
    monkeypatch.chdir("/")
    assert everything(provider)[0].shape == (3, 1)


@for_each("options, said", [
    ({"target": "sort"}, r"has no column 'sort', but long, wide, count, kind"),
    ({"target": "count"}, r"column 'kind' of .* encode them as numbers"),
    ({"target": "count", "columns": ["long", "high"]}, r"has no column 'high', but long"),
    ({"target": "count", "columns": ["count"]}, r"has no column beside its target 'count'"),
    ({"target": "kind", "columns": ["long"], "classes": ["cat"]}, r"column 'kind' .* has 'dog', .*classes=\['cat'\]"),
])  # fmt: skip
def test_a_column_that_does_not_fit_is_named(table, options, said):
    make, path = table()
    with pytest.raises(DataError, match=said):
        make(path, **options).open()


def test_of_a_column_the_value_that_is_no_number_is_quoted(tmp_path):
    path = tmp_path / "table.csv"
    pandas.DataFrame({"a": ["1", "2.5", "?", "4"], "y": [0, 1, 0, 1]}).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"column 'a' of .*, e\.g\. '\?' of type str, which are not numbers"):
        data.csv(path, "y").open()


def test_missing_values_are_counted_and_their_column_is_named(table, frame):
    frame.loc[1, "wide"] = np.nan
    make, path = table(frame)
    with pytest.raises(DataError, match=r"column 'wide' of .*: 1 of 3 values are missing"):
        make(path, "count", columns=["long", "wide"]).open()


@for_each("make", [lambda path: data.idx(path, path), data.npz, lambda path: data.csv(path, "y"),
                   lambda path: data.parquet(path, "y")])  # fmt: skip
def test_a_file_that_is_not_there_or_damaged_is_named(make, tmp_path):
    (tmp_path / "other.bin").write_bytes(b"\x80\x01 no data of any kind")
    with pytest.raises(DataError, match=r"nothing\.bin cannot be read .*has other\.bin"):
        make(tmp_path / "nothing.bin").open()
    with pytest.raises(DataError, match=r"other\.bin"):
        make(tmp_path / "other.bin").open()


@for_each("provider, written", [
    (lambda: data.idx("/d/i", "/d/l", take=2), "data.idx('/d/i', '/d/l', take=2)"),
    (lambda: data.npz("/d/a.npz", y=None), "data.npz('/d/a.npz', 'x', None)"),
    (lambda: data.csv("/d/a.csv", "y", shuffle=False), "data.csv('/d/a.csv', 'y', shuffle=False)"),
    (lambda: data.csv("/d/a.csv", "y", dtype="int64"), "data.csv('/d/a.csv', 'y', dtype='int64')"),
    (lambda: data.csv("/d/a.csv", ["y"]), "data.csv('/d/a.csv', ('y',))"),
    (lambda: data.parquet("s3://b/a", None, columns=["a"]), "data.parquet('s3://b/a', None, columns=('a',))"),
])  # fmt: skip
def test_a_provider_prints_as_the_call_that_made_it(provider, written):
    assert repr(provider()) == written
    assert eval(written, {"data": data}) == provider()


@for_each("call, said", [
    (lambda: data.csv("a", "y", columns="ab"), r"columns='ab': give a list"),
    (lambda: data.csv("a", 3), r"target=3: give the name of a column"),
    (lambda: data.csv("a", []), r"target=\[\]: give a list of at least one"),
    (lambda: data.csv("a", ["y", "y"]), r"target=\['y', 'y'\] has one of them twice"),
    (lambda: data.csv("a", ["y"], classes=["b"]), r"classes=\['b'\] are of one column, and target=\['y'\] is a list"),
    (lambda: data.parquet("a", "y", dtype="int32"), r"dtype='int32': give one of 'float32', 'float64', 'int64'"),
    (lambda: data.npz("a", y=["y", "y"]), r"y=\['y', 'y'\] has one of them twice"),
    (lambda: data.npz(3), r"path takes a path or an fsspec URL, not 3"),
])  # fmt: skip
def test_a_wrong_argument_is_quoted(call, said):
    with pytest.raises(DataError, match=said):
        call()


def test_the_numbers_of_rows_are_no_feature(frame, tmp_path):
    path = tmp_path / "indexed.csv"
    frame[["long", "count"]].to_csv(path)
    with pytest.raises(DataError, match=r"has no name, .* index=False\), .* columns=\['long', 'count'\]"):
        data.csv(path, "count").open()
    x, _ = everything(data.csv(path, "count", columns=["long"], shuffle=False))
    assert_array_equal(x, ROWS[:, :1])


def test_columns_of_parquet_may_have_numbers_for_names(tmp_path):
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "numbered.parquet")
    x, y = everything(data.parquet(tmp_path / "numbered.parquet", "1", shuffle=False))
    assert_array_equal(x, ROWS[:, :1])
    assert_array_equal(y, ROWS[:, 1])


@for_each("options", [{"columns": ["wide", "wide"]}, {"classes": ["cat", "dog", "cat"]}])
def test_columns_and_classes_are_given_once(options):
    with pytest.raises(DataError, match="has one of them twice: give each once"):
        data.csv("table.csv", "kind", **options)


def test_a_csv_file_without_a_header_loses_no_row(tmp_path):
    path = tmp_path / "bare.csv"
    for bare in ([[5.1, 3.5], [4.9, 3.0]], [[0, 0], [1, 2]], [[5, 3], [4, 9]]):
        pandas.DataFrame(bare).to_csv(path, header=False, index=False)
        with pytest.raises(DataError, match=r"begins with the numbers .* instead of the names of columns"):
            data.csv(path, None).open()
    pandas.DataFrame(ROWS).to_csv(path, index=False)
    assert_array_equal(everything(data.csv(path, None, shuffle=False))[0], ROWS)
    years = ["2024", "2025"]
    pandas.DataFrame(ROWS, columns=years).to_csv(path, index=False)
    assert_array_equal(everything(data.csv(path, None, columns=years, shuffle=False))[0], ROWS)


def test_a_damaged_npz_file_is_named(tmp_path):
    np.savez_compressed(tmp_path / "two.npz", x=np.arange(10_000), y=np.arange(10_000))
    damaged = bytearray((tmp_path / "two.npz").read_bytes())
    damaged[200:260] = bytes(60)
    (tmp_path / "two.npz").write_bytes(damaged)
    with pytest.raises(DataError, match=r"two\.npz.* cannot be read"):
        data.npz(tmp_path / "two.npz").open()


def test_a_file_of_one_array_is_no_npz(tmp_path):
    np.save(tmp_path / "one.npy", ROWS)
    with pytest.raises(DataError, match=r"holds one array without a name: write it by numpy\.savez"):
        data.npz(tmp_path / "one.npy").open()


@for_each("text, said", [
    ("height,weight,label\n170,60,0,\n180,90,1,\n", r"rows of 4 fields and a header of 3 names: .* end no row"),
    ("height,weight,label\n170,60,0,1,5\n180,90,1,0,5\n", r"rows of 5 fields and a header of 3 names"),
    ("a,b,id\n0,1.5,2.5,\n1,3.5,4.5,\n", r"rows of 4 fields and a header of 3 names: .* end no row with a comma"),
    ("a,y,y\n170,60,0\n180,90,1\n", r"has 2 columns 'y': give each a name of its own"),
    ("a,a,y\n170,60,0\n180,90,1\n", r"has 2 columns 'a': give each a name of its own"),
])  # fmt: skip
def test_a_csv_file_whose_columns_are_not_those_of_its_header_is_refused(tmp_path, text, said):
    path = tmp_path / "shifted.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        data.csv(path, text.split("\n")[0].split(",")[-1]).open()


def test_a_comma_behind_rows_that_begin_with_their_numbers_shifts_no_column(tmp_path):
    path = tmp_path / "shifted.csv"
    path.write_text("id,a,b\n0,1.5,2.5,\n1,3.5,4.5,\n")
    with pytest.raises(DataError, match=r"rows of 4 fields and a header of 3 names: .* end no row with a comma"):
        data.csv(path, "id", columns=["a"]).open()


def test_rows_that_begin_with_their_numbers_are_under_the_names_of_the_header(tmp_path):
    path = tmp_path / "numbered.csv"
    pandas.DataFrame(ROWS, columns=["a", "b"]).to_csv(path, index_label=False)
    assert_array_equal(everything(data.csv(path, None, shuffle=False))[0], ROWS)


def test_columns_that_are_called_as_pandas_calls_second_ones_are_read(tmp_path):
    path = tmp_path / "dotted.csv"
    path.write_text("y,y.1,y.x,1.0,1.1\n1,2,3,4,5\n")
    x, y = everything(data.csv(path, "y.1", shuffle=False))
    assert (x.tolist(), y.tolist()) == ([[1, 3, 4, 5]], [2])
    path.write_text("y,y,y.1,x\n1,2,3,4\n")
    assert everything(data.csv(path, "x", columns=["y.1"], shuffle=False))[0].tolist() == [[3]]


@for_each("classes, written", [
    (["NA", "US"], "US,NA,US"), (["007", "01"], "01,007,01"), (["1", "0"], "0,1,0"), (["True", "No"], "No,True,No"),
    (["", "cat"], "cat,,cat"),
])  # fmt: skip
def test_classes_that_are_text_are_the_text_of_the_file(tmp_path, classes, written):
    path = tmp_path / "texts.csv"
    pandas.DataFrame({"x": [1, 2, 3], "y": written.split(",")}).to_csv(path, index=False)
    assert everything(data.csv(path, "y", classes=classes, shuffle=False))[1].tolist() == [1, 0, 1]


def test_a_list_of_targets_is_a_column_for_each_output(table):
    make, path = table()
    x, y = everything(make(path, ["wide", "count"], columns=["long"], shuffle=False))
    assert (x.shape, y.tolist()) == ((3, 1), [[2.5, 3], [4.5, 1], [6.5, 2]])
    _, y = everything(make(path, ["wide"], columns=["long"], shuffle=False))
    assert y.tolist() == [[2.5], [4.5], [6.5]]


def test_one_target_in_a_list_trains_one_output(table):
    make, path = table()
    with deploy(Gate(nn.Linear(1, 1), optim.SGD(1e-3))) as running:
        provider = make(path, ["wide"], columns=["long"])
        running.attach(Sentinel.train(provider, batch_size=3, loss=nn.MeanSquaredError()), epochs=1)
        assert running.wait(timeout=PATIENCE)[0].samples == 3


def test_of_parquet_only_the_columns_that_are_used_are_read(frame, tmp_path, monkeypatch):
    path, read, asked = tmp_path / "wide.parquet", pandas.read_parquet, []
    frame.to_parquet(path)

    def watched(path, columns):
        asked.append(columns)
        return read(path, columns=columns)

    monkeypatch.setattr(pandas, "read_parquet", watched)
    everything(data.parquet(path, "count", columns=["wide"]))
    assert asked == [["wide", "count"]]


def test_a_folder_of_any_name_is_read(frame, tmp_path):
    folder = tmp_path / "données du jürgen #1 %20"
    folder.mkdir()
    frame.to_parquet(folder / "0.parquet")
    assert len(everything(data.parquet(folder, "count", columns=["wide"]))[1]) == len(frame)


def test_a_folder_of_parquet_is_one_table_that_is_read_again_where_a_file_of_it_was_replaced(frame, tmp_path):
    numbers = frame[["long", "count"]]
    for part in range(2):
        numbers.to_parquet(tmp_path / f"{part}.parquet")
    provider = data.parquet(tmp_path, "count", shuffle=False)
    assert everything(provider)[0].tolist() == [[1], [3], [5]] * 2
    (numbers * 2).to_parquet(tmp_path / "0.parquet")
    os.utime(tmp_path / "0.parquet", ns=(1, 1))
    assert everything(provider)[0].tolist() == [[2], [6], [10], [1], [3], [5]]
    frame[["long", "wide", "count"]].to_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match=r"1\.parquet and .*0\.parquet do not have the same columns: .* lacks 'wide'"):
        provider.open()


def test_an_index_of_pandas_is_read_where_it_is_named(frame, tmp_path):
    path, numbers = tmp_path / "indexed.parquet", frame[["long", "wide", "count"]]
    for index in ("count", ["wide", "count"]):
        numbers.set_index(index).to_parquet(path)
        x, y = everything(data.parquet(path, "count", columns=["wide", "long"], shuffle=False))
        assert_array_equal(x, ROWS[:, ::-1])
        assert_array_equal(y, frame["count"])
        x, y = everything(data.parquet(path, "count", shuffle=False))
        assert_array_equal(x, ROWS if index == "count" else ROWS[:, :1], "an index that nobody names is no feature")
        assert_array_equal(y, frame["count"])


def written(folder, *frames):
    """The provider of a folder with a Parquet file of each frame, which have features `a` and the target `y`."""
    for part, frame in enumerate(frames):
        frame.to_parquet(folder / f"{part}.parquet")
    return data.parquet(folder, "y", shuffle=False)


@for_each("numbers", [
    ([1, 2], [0.5, 1.5]),
    ([0.5, 1.5], [1, 2]),
    (np.array([1, 2], np.int8), [1000, 2000]),
    ([True, False], [5, 6]),
    ([5, 6], [True, False]),
])  # fmt: skip
def test_a_column_has_a_type_that_holds_the_numbers_of_all_files_of_its_folder(tmp_path, numbers):
    provider = written(tmp_path, *(pandas.DataFrame({"a": part, "y": [0, 1]}) for part in numbers))
    assert everything(provider)[0][:, 0].tolist() == np.concatenate(numbers).tolist()


def test_text_of_one_file_is_not_read_as_the_numbers_of_another(tmp_path):
    provider = written(tmp_path, *(pandas.DataFrame({"a": part, "y": [0, 1]}) for part in ([1, 2], ["007", "8"])))
    with pytest.raises(
        DataError, match=r"column 'a' holds \w*string in .*1\.parquet, and int64 in .*0\.parquet: write it"
    ):
        provider.open()


@for_each("orders", [([0, 1, 2], [2, 0, 1]), ([2, 0, 1], [0, 1, 2])])
def test_files_of_a_folder_may_have_an_index_and_none(tmp_path, orders):
    frame = pandas.DataFrame({"a": ROWS[:, 0], "y": [0, 1, 0]})
    parts = [frame if order == [0, 1, 2] else frame.iloc[order] for order in orders]
    x, y = everything(written(tmp_path, *parts))
    assert_array_equal(np.c_[x, y], pandas.concat(parts))


def test_folders_that_are_named_by_a_value_are_a_column_whatever_the_types_of_their_files(tmp_path):
    for year, numbers in ((2024, [1, 2]), (2025, [0.5, 1.5])):
        (tmp_path / f"year={year}").mkdir()
        pandas.DataFrame({"a": numbers, "y": [0, 1]}).to_parquet(tmp_path / f"year={year}" / "0.parquet")
    x, _ = everything(data.parquet(tmp_path, "y", shuffle=False))
    assert x.tolist() == [[1, 2024], [2, 2024], [0.5, 2025], [1.5, 2025]]
    assert_array_equal(everything(data.parquet(tmp_path, "y", columns=["year"], shuffle=False))[0], x[:, 1:])


class Web(MemoryFileSystem):
    """A web server: nothing but what it says of a file tells that it has changed."""

    protocol = "web"
    store, pseudo_dirs, said = {}, [""], {}

    def ukey(self, path):
        return path

    def info(self, path, **options):
        found = super().info(path, **options)
        return {"name": path, "size": found["size"], "type": "file", **self.said}


@for_each("tags", [("one", "other"), (None, None)])
def test_a_file_behind_a_url_that_was_replaced_is_read_again(tags):
    fsspec.register_implementation("web", Web, clobber=True)
    for number, tag in enumerate(tags):
        Web.said = {} if tag is None else {"ETag": tag}
        with fsspec.open("web://host/two.npz", "wb") as file:
            np.savez(file, x=np.full((3, 2), number))
        assert everything(data.npz("web://host/two.npz", y=None))[0].tolist() == [[number] * 2] * 3
