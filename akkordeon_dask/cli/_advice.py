"""Arguments of Python that an error advises, as options of the command that prints it."""

import re
import shlex
from collections.abc import Callable, Collection
from typing import NamedTuple

from akkordeon_dask.cli.options._objective_options import LOSS_CLASSES, SCORE_CLASSES

__all__ = ["with_options"]


def with_options(message: str, options: Collection[str]) -> str:
    """The message as it is; behind it, for each argument of Python that it names, the option that stands for it.

    Parameters
    ----------
    options
        those of the command: `["--loss", ...]`. Others are not named, and none that the message names itself.
    """
    said: dict[str, str] = {}
    for rule in _RULES:
        if rule.option is None or rule.option in options:
            for found in re.finditer(rule.argument, message):
                words = rule.words if isinstance(rule.words, str) else rule.words(found)
                if not _names(message, words):
                    said.setdefault(found.groupdict().get("advice", found[0]), words)
    if not said:
        return message
    return f"{message} (on the command line: {', '.join(f'`{python}` is {words}' for python, words in said.items())})"


def _names(message: str, words: str) -> bool:
    """Whether the message names the option, or the command, of these words by itself."""
    option = _OPTION.search(words)
    return option is not None and option[0] in message


class _Rule(NamedTuple):
    argument: str
    """A pattern of what an error says; a group `advice` is the part that the words stand for."""
    option: str | None
    """The rule is for commands that have it; None: for all."""
    words: str | Callable[["re.Match[str]"], str]
    """What a user of the command line writes."""


_OPTION = re.compile(r"--[a-z-]+|dask akkordeon \w+")
_LOSS_NAMES = {kind: name for name, kind in LOSS_CLASSES.items()}
_SCORE_NAMES = {kind: name for name, kind in SCORE_CLASSES.items()}


def _loss(found: "re.Match[str]") -> str:
    return f"--loss {_LOSS_NAMES.get(found[1], 'FILE.py:LOSS')}"


def _scores(found: "re.Match[str]") -> str:
    kinds = re.findall(r"nn\.(\w+)\(", found[1])
    return f"--scores {','.join(_SCORE_NAMES.get(kind, 'FILE.py:SCORE') for kind in kinds) or 'none'}"


def _resume(found: "re.Match[str]") -> str:
    return "--resume" if found[1] is None else f"--resume {shlex.quote(found[1])}"


def _command(verb: str) -> Callable[["re.Match[str]"], str]:
    return lambda found: f"`dask akkordeon {verb} {shlex.quote(found[1])}`"


_RULES = (
    _Rule(r"\bloss=nn\.(\w+)\(\)", "--loss", _loss),
    _Rule(r"\bnn\.\w+\(ignore_index=-?\d+\)", "--loss", "--loss FILE.py:LOSS"),
    _Rule(r"\bscores=\[(.*?)\]", "--scores", _scores),
    _Rule(r"\bclass_weight\b", "--class-weight", "--class-weight"),
    _Rule(r"\btarget=\[\.\.\.\]", "--target", "--target with one of the losses of numbers, --loss mean-squared-error"),
    _Rule(r"\bclasses(?==\[)", "--classes", "--classes NAME,NAME,..."),
    _Rule(r"\bcolumns(?==\[)", "--columns", "--columns NAME,NAME,..."),
    _Rule(
        r"^.*\bcolumn '.*' of .*: (?P<advice>encode them as numbers before)$", "--classes",
        "--classes NAME,NAME,... for the column of --target, and --columns leaves another one out",
    ),
    _Rule(r"\bdtype(?==\"float)", "--data", "--data FILE.py:PROVIDER, a provider of your own"),
    _Rule(r"\bworkers(?==\.\.\.)", "--worker", "--worker WORKER"),
    _Rule(r"\bbatch_size\b", "--batch-size", "--batch-size N"),
    _Rule(r"\bepochs(?==\d)", "--epochs", "--epochs N"),
    _Rule(r"\breport_every\b", "--report-every", "--report-every N|TIME"),
    _Rule(r"\bbatches_per_pass\b", "--batches-per-pass", "--batches-per-pass N"),
    _Rule(r"\bfading(?==)", "--fading", "--fading X"),
    _Rule(r"\bon_nonfinite='(\w+)'", "--on-nonfinite", lambda found: f"--on-nonfinite {found[1]}"),
    _Rule(r"\bSentinel\.(train|validate|test)\b(?!\()", "--mode", lambda found: f"--mode {found[1]}"),
    _Rule(r"\b[Cc]hoose another name|the sentinel another name", "--as", "--as NAME"),
    _Rule(r"\b[Cc]hoose another name", "--name", "--name NAME"),
    _Rule(r"\bdetach it(?=, or)", "--as", "Ctrl-C in its terminal"),
    _Rule(r"\brunning\.detach\('[^']*'\)", None, "what this command does as it ends"),
    _Rule(r"\brunning\.parameters\(\)", None, "`dask akkordeon save NAME FILE`"),
    _Rule(r"\bwait again\b", None, "this command again"),
    _Rule(r"\bn_microbatches\b", "--n-microbatches", "--n-microbatches N"),
    _Rule(r"\bresume=(?:'([^']*)'|True)", "--resume", _resume),
    _Rule(r"\btake_over=True", "--take-over", "--take-over"),
    _Rule(r"\bdeploy\(snapshots=URL\)", None, "`dask akkordeon network ... --snapshots URL`"),
    _Rule(r"\badopt\('([^']*)', client\)", None, _command("network --adopt")),
    _Rule(r"\bconnect\('([^']*)', client\)", None, _command("sentinel")),
    _Rule(r"\bstop\('([^']*)', client\)", None, _command("stop")),
)  # fmt: skip
