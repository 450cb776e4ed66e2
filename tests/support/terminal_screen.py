"""The lines left on a terminal, which knows the few controls that a live display uses."""

import re

_PART = re.compile(r"\x1b\[(?P<number>[?\d;]*)(?P<control>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


def lines_left(written: str) -> list[str]:
    """The lines of a terminal of any size, scrollback included, without those that are empty at the end."""
    rows, row, column = [[]], 0, 0
    for part in _PART.finditer(written):
        text, control, number = part["text"], part["control"], part["number"]
        if text == "\n":
            row, column = row + 1, 0
            rows += [[]] * (row == len(rows))
            rows[row] = list(rows[row])
        elif text == "\r":
            column = 0
        elif text:
            rows[row] = [*rows[row][:column].copy(), *" " * (column - len(rows[row])), text, *rows[row][column + 1 :]]
            column += 1
        elif control == "A":
            row -= int(number or 1)
        elif control == "K":
            rows[row] = []
        else:
            assert control in "mhl", f"a control that this terminal does not know: {part[0]!r}"
    found = ["".join(line).rstrip() for line in rows]
    while found and not found[-1]:
        found.pop()
    return found
