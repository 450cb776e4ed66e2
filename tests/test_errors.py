import pickle

from akkordeon_dask import errors
from tests.support.for_each import for_each

CLASSES = [getattr(errors, name) for name in errors.__all__]


def drawn(text):
    """Each class of the drawing with the one that it hangs on."""
    parents, above = {}, []
    for line in (line.removeprefix("    ") for line in text.splitlines()):
        stem, mark, rest = line.rpartition("── ")
        if mark or line == "AkkordeonError":
            depth = (len(stem) + len(mark)) // 4
            name = rest.split()[0]
            above[depth:] = [name]
            parents[name] = above[depth - 1] if depth else None
    return parents


def test_the_drawn_tree_is_the_real_one():
    real = {cls.__name__: next((b.__name__ for b in cls.__bases__ if b in CLASSES), None) for cls in CLASSES}
    assert drawn(errors.__doc__) == real


def test_every_error_is_public_and_from_one_root():
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == set(errors.__all__)
    assert all(issubclass(cls, errors.AkkordeonError) for cls in CLASSES)


@for_each("cls", CLASSES)
def test_an_error_pickles_with_its_text(cls):
    error = cls("gate 'g1' takes 50 features, gate 'g0' gives 40")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error) == "gate 'g1' takes 50 features, gate 'g0' gives 40"


def test_errors_are_also_what_python_calls_them():
    assert issubclass(errors.SpecError, ValueError)
    assert issubclass(errors.DeadlineError, TimeoutError)
