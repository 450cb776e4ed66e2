"""Arrays as dtype, shape and bytes: nothing else is taken for one."""

import pytest

from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages import decode
from tests.messages.test_wire import ONE_OF_EACH, X, told, with_header

FLAT = {"dtype": "<f4", "shape": (2, 3), "data": X.tobytes()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"dtype": "|O"}, {"dtype": "no"}, {"dtype": 4}, {"shape": (2, 4)}, {"shape": (2, 2)}, {"shape": (-2, -3)},
        {"shape": "23"}, {"shape": None}, {"data": b""}, {"data": "text"}, {"data": None},
    ],
)  # fmt: skip
def test_bytes_that_make_no_array_are_refused(wrong):
    assert told(decode(with_header() | {"array": FLAT})) == told(ONE_OF_EACH[0])
    with pytest.raises(MessageError):
        decode(with_header() | {"array": FLAT | wrong})
    with pytest.raises(MessageError):
        decode(with_header() | {"array": {key: value for key, value in FLAT.items() if key not in wrong}})
