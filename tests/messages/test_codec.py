"""The codec: messages arrive unchanged, and anything else is refused."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
from distributed.protocol import dumps, loads
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from akkordeon_dask.actors.transport import _link
from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages import (
    Address,
    Backward,
    Failed,
    Flush,
    Forward,
    Header,
    Leave,
    Narrowing,
    Refused,
    StepEnd,
    Waiting,
    decode,
    encode,
    nbytes,
)
from tests.support.for_each import for_each
from tests.support.numbered_samples import HOME, header

X = np.arange(6, dtype=np.float32).reshape(2, 3)
HEADER = header()
ONE_OF_EACH = [
    Forward(HEADER, X),
    Backward(HEADER, X),
    Backward(HEADER, None),
    Failed(HEADER, "g0", "tcp://w", "ZeroDivisionError()"),
    Refused(HEADER, "g0"),
    Leave("net", HOME),
    Flush("net", 1, HOME, 7, (3, 40)),
    StepEnd("net", 1, HOME, 7),
    Waiting(HEADER),
]
each = pytest.mark.parametrize("message", ONE_OF_EACH, ids=lambda message: type(message).__name__)

DTYPES = ["float32", "float64", "float16", ">f4", "int64", "uint8", "bool", "complex64"]
words = st.text(max_size=20)
counts = st.integers(0, 2**63 - 1)
addresses = st.builds(Address, words, words)
headers = st.builds(
    Header, network=words, generation=counts, sentinel=words, reply_to=addresses, pass_number=counts, sequence=counts,
    floor=counts, attempt=counts, mode=st.sampled_from(["train", "validate", "test", "predict"]),
    opening=st.booleans(), deadline=st.floats(allow_nan=False) | counts,
)  # fmt: skip
arrays = hnp.arrays(st.sampled_from(DTYPES).map(np.dtype), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0))
views = arrays | arrays.map(np.transpose) | arrays.map(lambda a: a[..., ::2] if a.ndim else a)
messages = (
    st.builds(Forward, headers, views, st.none() | st.tuples(counts, counts))
    | st.builds(Backward, headers, st.none() | views)
    | st.builds(Failed, headers, words, words, words)
    | st.builds(Forward, headers, hnp.arrays(np.float16, (3,)), narrowing=st.just(Narrowing("float16", -7)))
    | st.builds(Backward, headers, hnp.arrays(np.uint16, (2, 2)), narrowing=st.just(Narrowing("bfloat16", 0)))
    | st.builds(Refused, headers, words)
    | st.builds(Flush, words, counts, addresses, counts, st.none() | st.tuples(counts, counts))
    | st.builds(StepEnd, words, counts, addresses, counts, st.none() | st.tuples(counts, counts))
    | st.builds(Waiting, headers)
    | st.builds(Leave, words, addresses)
)


def over_the_wire(message, *, inline, shard):
    """The message that the other end receives: a link's encoding depends on the bytes of its array."""
    with mock.patch.multiple(_link, _INLINE=inline, _SHARD=shard):
        sent = _link._to_wire("g0", message)
    received = loads([bytes(frame) for frame in dumps(sent)])
    assert received["to"] == "g0"
    return decode(received["message"])


WRITTEN = [field.name for field in dataclasses.fields(Header) if field.init]


def fields_of(message):
    """All that a message says, its array as dtype, shape and bytes."""
    values = {name: getattr(message, name) for name in message.__dataclass_fields__}
    shown = {k: (v.dtype, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for k, v in values.items()}
    return type(message), shown


def with_header(**changes):
    """A message on the wire whose header says something else."""
    values = dict(zip(WRITTEN, encode(ONE_OF_EACH[0])["header"], strict=True))
    return {"kind": "forward", "header": tuple((values | changes).values()), "array": X}


@given(messages, st.sampled_from([0, 20, 2**20]), st.sampled_from([0, 2**20]))
def test_a_message_arrives_unchanged_and_both_ends_count_the_same_bytes(message, inline, shard):
    arrived = over_the_wire(message, inline=inline, shard=shard)
    assert fields_of(arrived) == fields_of(message)
    assert nbytes(arrived) == nbytes(message)


@each
def test_a_list_is_as_good_as_a_tuple(message):
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in encode(message).items()}
    if "header" in plain:
        plain["header"] = [list(value) if isinstance(value, tuple) else value for value in plain["header"]]
    assert fields_of(decode(plain)) == fields_of(message)


def types_in(plain):
    inner = plain.values() if type(plain) is dict else plain if type(plain) is tuple else ()
    return {type(plain)}.union(*map(types_in, inner))


@given(messages)
def test_an_encoded_message_is_made_of_plain_types_only(message):
    assert types_in(encode(message)) <= {dict, tuple, str, int, float, bool, type(None), np.ndarray}


@given(headers, views)
def test_the_array_is_handed_on_and_not_copied(head, x):
    assert encode(Forward(head, x))["array"] is x
    assert decode(encode(Backward(head, x))).dy is x


@given(headers, views)
def test_an_array_adds_its_own_bytes_and_nothing_else_does(head, x):
    assert nbytes(Forward(head, x)) == nbytes(Backward(head, x)) == nbytes(Backward(head, None)) + x.nbytes
    assert nbytes(Backward(head, None)) == nbytes(Refused(head, "g0")) == nbytes(Leave("net", HOME)) > 0


@pytest.mark.parametrize(
    "narrowing",
    [("float16", 0), ("bfloat16", 1.5), ("bfloat16", 127), ("bfloat16", True), ("int8", 0), ("bfloat16",), 3, {}],
    ids=repr,
)
def test_a_narrowing_that_does_not_fit_its_array_is_refused(narrowing):
    plain = encode(Forward(HEADER, np.zeros(3, np.uint16), narrowing=Narrowing("bfloat16", 0)))
    assert decode(plain).narrowing == Narrowing("bfloat16", 0)
    with pytest.raises(MessageError):
        decode(plain | {"narrowing": narrowing})


WRONG = {
    "network": [7, None, b"net"],
    "generation": ["1", 1.5, None],
    "sentinel": [0, None, ("train0",)],
    "reply_to": ["tcp://home", "ab", None, {"worker": "w", "actor": "a"}, (), ("w",), ("w", "a", "b")],
    "pass_number": ["1", 2.5, [1]],
    "sequence": ["0", 0.5, None],
    "floor": ["0", 0.5, None],
    "attempt": ["1", 1.25, {}],
    "mode": [3, None, "trian", "TRAIN", ""],
    "opening": [1, "yes", None],
    "deadline": ["10", None, 1j],
    "weight": ["1", None, 1j],
    "skips_nonfinite": [1, "yes", None],
}


def test_the_table_of_wrong_values_has_every_field_of_the_header():
    assert list(WRONG) == WRITTEN
    assert fields_of(decode(with_header())) == fields_of(ONE_OF_EACH[0])


@for_each("field, value", [(field, value) for field, values in WRONG.items() for value in values])
def test_a_header_with_a_wrong_value_is_refused_and_the_value_quoted(field, value):
    with pytest.raises(MessageError) as caught:
        decode(with_header(**{field: value}))
    assert repr(value) in str(caught.value)
    assert ("address" if field == "reply_to" and isinstance(value, tuple) else field) in str(caught.value)


@pytest.mark.parametrize("address", [(7, "a"), ("w", 7)])
def test_an_address_that_is_not_two_words_is_refused_and_the_value_quoted(address):
    for plain in [with_header(reply_to=address), {"kind": "leave", "network": "net", "sentinel": address}]:
        with pytest.raises(MessageError, match=r"expected text, got 7"):
            decode(plain)


@pytest.mark.parametrize("change", [lambda h: (), lambda h: h[:-1], lambda h: (*h, 0), lambda h: None, lambda h: "h"])
def test_a_header_of_a_wrong_length_or_kind_is_refused_and_quoted(change):
    plain = with_header()
    plain["header"] = change(plain["header"])
    with pytest.raises(MessageError, match="a header has 13 fields") as caught:
        decode(plain)
    assert repr(plain["header"])[:200] in str(caught.value)


@pytest.mark.parametrize("kind", ["sideways", "", "Forward", 7, None])
def test_an_unknown_kind_is_refused_and_the_known_are_named(kind):
    with pytest.raises(MessageError, match="known are forward, backward, failed, refused, leave") as caught:
        decode({**with_header(), "kind": kind})
    assert repr(kind) in str(caught.value)


@for_each("array", ["x", 7, [1.0, 2.0], b"\x00"])
@for_each("kind", ["forward", "backward"])
def test_a_value_that_is_no_array_is_refused_and_quoted(kind, array):
    with pytest.raises(MessageError) as caught:
        decode({**with_header(), "kind": kind, "array": array})
    assert f"expected an array, got {array!r}" in str(caught.value)


def test_only_a_gradient_may_be_none():
    with pytest.raises(MessageError, match="expected an array, got None"):
        decode({**with_header(), "array": None})


@each
def test_a_message_that_lacks_a_part_is_refused_and_the_part_named(message):
    for missing in encode(message):
        with pytest.raises(MessageError, match=missing):
            decode({key: value for key, value in encode(message).items() if key != missing})


scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.binary(max_size=9) | st.complex_numbers()
odd = arrays | st.builds(object) | st.just(Header)
garbage = st.recursive(
    scalars | odd,
    lambda inner: st.lists(inner, max_size=12) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(words, inner),
    max_leaves=12,
)


@given(garbage)
def test_garbage_is_refused_whatever_it_is(thing):
    with pytest.raises(MessageError):
        decode(thing)


@given(st.sampled_from(ONE_OF_EACH), garbage, st.data())
def test_garbage_in_a_message_is_refused_or_a_message_all_the_same(message, thing, data):
    plain = encode(message)
    key = data.draw(st.sampled_from(sorted(plain)))
    if key == "header" and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(plain["header"]) - 1))
        thing = (*plain["header"][:at], thing, *plain["header"][at + 1 :])
    try:
        decoded = decode(plain | {key: thing})
    except MessageError:
        return
    assert type(decoded) is type(message) and encode(decoded).keys() == plain.keys()


def test_a_refusal_is_short_however_long_the_garbage():
    long = "x" * 10_000
    for plain in [long, {"kind": long}, with_header(mode=long), with_header(generation=long), {"kind": {long: long}}]:
        with pytest.raises(MessageError) as caught:
            decode(plain)
        assert len(str(caught.value)) < 1000


class Unspeakable:
    def __repr__(self):
        raise ValueError("this has no text")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("make", [Unspeakable, lambda: nested(20_000)], ids=["unspeakable", "nested"])
def test_garbage_that_cannot_be_quoted_is_refused_all_the_same(make):
    thing = make()
    for plain in [thing, {"kind": thing}, with_header(network=thing), with_header(mode=thing), {"header": thing}]:
        with pytest.raises(MessageError, match=r"\ba (Unspeakable|list|dict)\b"):
            decode(plain)
