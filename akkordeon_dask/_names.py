"""Names as users write them: of networks, gates and sentinels."""

from typing import Any

from akkordeon_dask.errors import SpecError

__all__ = ["check_printable"]


def check_printable(label: str, value: Any, meaning: str = "a word") -> str:
    """A name as text that can be shown on a terminal, in a page and in a file.

    Parameters
    ----------
    label
        names the value in the error: `"a gate's name"`.
    meaning
        what it is, in the error.

    Raises
    ------
    SpecError
        when it is no text, is empty, or has control characters, lone surrogates or others that cannot be printed.

    Examples
    --------
    >>> check_printable("a gate's name", "ä 1")
    'ä 1'
    """
    if not (isinstance(value, str) and value):
        raise SpecError(f"{label} is {meaning}, not {value!r:.80}")
    if odd := [character for character in value if not character.isprintable()]:
        raise SpecError(
            f"{label} is {meaning} of characters that can be printed, not {value!r:.80}: leave out {odd[0]!r}"
        )
    return value
