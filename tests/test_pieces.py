"""Arrays that travel in pieces: the same bytes whatever the pieces are, and a damaged piece is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask._pieces import Piece, flat_bytes, leaves_of, nbytes_of, read_piece, spans, write_piece
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.tree import leaves, map_leaves

DTYPES = st.sampled_from(["f4", "f8", "i1", "u2"])
SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
TREES = st.lists(st.tuples(SHAPES, DTYPES), min_size=1, max_size=6)


def tree_of(forms):
    rng = np.random.default_rng(3)
    return tuple({"w": rng.integers(0, 100, shape).astype(dtype)} for shape, dtype in forms)


@given(TREES, st.integers(16, 200))
def test_pieces_of_any_size_carry_the_same_bytes(forms, size):
    tree = tree_of(forms)
    other = map_leaves(np.zeros_like, tree)
    source, target = flat_bytes(tree), flat_bytes(other)
    for piece in spans(leaves_of(tree), size):
        assert nbytes_of(piece) <= size
        write_piece(target, piece, read_piece(source, piece))
    assert [leaf.tobytes() for leaf in leaves(other)] == [leaf.tobytes() for leaf in leaves(tree)]


@given(TREES, st.integers(16, 200))
def test_each_byte_is_in_one_piece_and_no_number_in_two(forms, size):
    expected = leaves_of(tree_of(forms))
    ends = dict.fromkeys((leaf.path for leaf in expected), 0)
    for piece in spans(expected, size):
        for span in piece:
            assert span.begin == ends[span.path] and span.begin % np.dtype(dict_of(expected)[span.path]).itemsize == 0
            ends[span.path] = span.end
    assert ends == {leaf.path: leaf.nbytes for leaf in expected}


def dict_of(expected):
    return {leaf.path: leaf.dtype for leaf in expected}


def test_an_array_of_another_order_travels_in_c_order():
    tree = {"w": np.asfortranarray(np.arange(12, dtype="f4").reshape(3, 4))}
    assert flat_bytes(tree)["w"].tobytes() == tree["w"].tobytes()


@pytest.mark.parametrize("damage", ["bit", "short", "long"])
def test_a_damaged_piece_is_refused_and_writes_nothing(damage):
    tree = {"w": np.arange(12, dtype="f4")}
    (where,) = spans(leaves_of(tree))
    whole = read_piece(flat_bytes(tree), where)
    content = whole.content.copy()
    content[7] ^= damage == "bit"
    changed = {"bit": content, "short": content[:-1], "long": np.append(content, content[:1])}[damage]
    target = {"w": np.zeros(12, "f4")}
    with pytest.raises(CheckpointError, match="a piece of 'w' from byte 0 on arrived damaged"):
        write_piece(flat_bytes(target), where, Piece(changed, whole.checksum))
    assert not target["w"].any()
