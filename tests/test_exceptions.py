from akkordeon_dask._exceptions import as_plain_error, format_exception


class MuteError(Exception):
    def __str__(self):
        raise ValueError("no words")


def caught(error):
    try:
        raise error
    except BaseException as same:
        return same


def test_an_exception_is_told_with_the_line_that_raised_it():
    text = format_exception(caught(KeyError("x")))
    assert text.startswith("KeyError: 'x' (raised in caught, ") and __file__ in text


def test_the_notes_of_an_exception_are_told():
    error = ValueError("v")
    error.add_note("in 'head'")
    assert format_exception(error) == "ValueError: v; in 'head'"


def test_an_exception_that_was_never_raised_or_cannot_be_printed_is_told_by_its_class():
    assert format_exception(SystemExit(3)) == "SystemExit: 3"
    assert format_exception(MuteError()) == "MuteError"


def test_an_ordinary_error_stays_itself_and_others_become_one():
    error = caught(ValueError("v"))
    assert as_plain_error(error) is error
    plain = as_plain_error(caught(SystemExit(3)))
    assert type(plain) is RuntimeError and str(plain).startswith("SystemExit: 3 (raised in ")
    assert isinstance(plain.__cause__, SystemExit)
