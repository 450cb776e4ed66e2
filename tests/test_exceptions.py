from akkordeon_dask._exceptions import as_data_error, as_plain_error, format_exception, quote_exception
from akkordeon_dask.errors import DataError, RolledBackError, ShapeError


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


def test_texts_of_users_are_cut_and_can_be_sent():
    for text in (format_exception(ValueError("\udce9" * 9_999)), quote_exception(UnicodeError("v" * 99_999))):
        assert len(text.encode()) < 50_000
    error = ValueError("v")
    error.__notes__ = [3]
    assert format_exception(error) == "ValueError: v; 3"


class LockedDataError(DataError):
    pass


class MuteDataError(MuteError, DataError):
    pass


def test_errors_about_data_are_of_this_package_s_classes_and_others_are_none():
    for error, kind in ((ShapeError("s"), ShapeError), (LockedDataError("s"), DataError)):
        made = as_data_error(error)
        assert type(made) is kind and str(made) == "s" and made is not error  # an error cannot be its own cause
    mute = MuteDataError()
    mute.__notes__ = [3]
    assert str(as_data_error(mute)) == "MuteDataError; 3"
    assert as_data_error(RolledBackError("r")) is None is as_data_error(ValueError("v"))
