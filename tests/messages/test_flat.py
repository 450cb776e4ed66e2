"""Arrays as dtype, shape and bytes: anything else is refused."""

import numpy as np
import pytest

from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages import Backward, Forward, decode, packed
from tests.messages.test_codec import ONE_OF_EACH, X, fields_of, with_header
from tests.support.for_each import for_each

FLAT = {"dtype": "<f4", "shape": (2, 3), "data": X.tobytes()}


@for_each(
    "wrong",
    [
        {"dtype": "|O"}, {"dtype": "no"}, {"dtype": 4}, {"shape": (2, 4)}, {"shape": (2, 2)}, {"shape": (-2, -3)},
        {"shape": "23"}, {"shape": None}, {"data": b""}, {"data": "text"}, {"data": None},
    ],
)  # fmt: skip
def test_bytes_that_make_no_array_are_refused(wrong):
    assert fields_of(decode(with_header() | {"array": FLAT})) == fields_of(ONE_OF_EACH[0])
    with pytest.raises(MessageError):
        decode(with_header() | {"array": FLAT | wrong})
    with pytest.raises(MessageError):
        decode(with_header() | {"array": {key: value for key, value in FLAT.items() if key not in wrong}})


NUMBERS = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("view", [NUMBERS[:, ::2], NUMBERS.transpose(0, 2, 1), NUMBERS[..., 1:], NUMBERS[::-1]])
def test_scattered_numbers_are_brought_into_one_piece(view):
    header = ONE_OF_EACH[0].header
    for message in (packed(Forward(header, view)), packed(Backward(header, view))):
        array = message.x if isinstance(message, Forward) else message.dy
        assert array.flags.c_contiguous and np.array_equal(array, view) and message.header is header


@pytest.mark.parametrize("array", [NUMBERS, NUMBERS.T, np.broadcast_to(NUMBERS[:, :1], (2, 3, 4)), NUMBERS[:0], None])
def test_an_array_that_a_comm_sends_without_a_copy_is_not_packed(array):
    message = Backward(ONE_OF_EACH[0].header, array)
    assert packed(message) is message
    assert all(packed(one) is one for one in ONE_OF_EACH)
