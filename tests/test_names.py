import pytest

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask._names import check_printable
from akkordeon_dask.errors import SpecError

UNPRINTABLE = [
    "a\x00b",
    "line\nfeed",
    "tab\t",
    "\x1b[31mred",
    "\x7f",
    "half \ud800",
    "right\u202eto left",
    "\u2028",
    "\ufeff",
]
PRINTABLE = ["g0", "ä ö", "日本", "a-b_c:d/e", "😀", "x" * 1000]


@pytest.mark.parametrize("name", [*UNPRINTABLE, "", None, 3, b"g0"])
def test_what_is_no_name_is_refused_where_it_is_written(name):
    with pytest.raises(SpecError, match="a network's name is a word"):
        check_printable("a network's name", name)
    if name is not None:
        with pytest.raises(SpecError, match="a gate's name is a word without a dot"):
            Gate(nn.ReLU(), optim.SGD(0.1), name=name)
        with pytest.raises(SpecError, match="a sentinel's name is a word"):
            Sentinel.train(data.stream([]), name=name)


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_the_error_can_be_printed_anywhere_and_says_what_to_leave_out(name):
    with pytest.raises(SpecError, match=r"of characters that can be printed, not .*: leave out ") as caught:
        check_printable("a gate's name", name)
    assert str(caught.value).isprintable() and str(caught.value).encode()


@pytest.mark.parametrize("name", PRINTABLE)
def test_names_in_any_script_are_names(name):
    assert check_printable("a name", name) is name
    assert Gate(nn.ReLU(), optim.SGD(0.1), name=name).name == name
