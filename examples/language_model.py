"""A transformer learns to write, character by character, in three gates on three workers, and writes while it learns.

Two sentinels train it at the same time. Each has a book of its own, and sends batches whenever one of its own is back:
neither waits for the other, and the gates work on several batches at once. The batches that are in flight make an
update together, for so early in its training a transformer learns from the newest weights alone. After each pass of the
first sentinel a third one rates the network on text that nobody trains with, in bits per character: a byte has 8, an
archiver gets to about 2, and a guess among all characters costs the logarithm of their number. Then the live network
continues the prompt, each character by the weights of that moment, while it goes on training.
"""

import argparse
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
from distributed import Client, LocalCluster
from torch import nn

from akkordeon_dask import Network, Running, Sentinel, data, deploy, optim
from akkordeon_dask.messages import PassReport
from akkordeon_dask.torch import TorchOptimizer, split_module

CONTEXT, WINDOWS, HEADS = 64, 512, 4


class Embedding(nn.Module):
    """Characters (batch, positions) to vectors (batch, positions, width)."""

    def __init__(self, characters: int, width: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(characters, width), nn.Embedding(CONTEXT, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.characters(x) + self.places.weight[: x.shape[1]]


class Block(nn.Module):
    """Attention to what stands before, and a perceptron; each is added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.project, self.merge = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        layers = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.perceptron = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.project(self.norm(x)).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.merge(seen.transpose(1, 2).flatten(2))
        return x + self.perceptron(x)


class Head(nn.Module):
    """Vectors to logits (batch, characters, positions), as `nn.SoftmaxCrossEntropy` of akkordeon_dask takes them."""

    def __init__(self, width: int, characters: int) -> None:
        super().__init__()
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, characters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits(self.norm(x)).transpose(1, 2)


def transformer(characters: int, width: int) -> nn.Sequential:
    """The module that is split: `nn.Sequential`, so that everybody knows what comes after what."""
    blocks = {f"block{number}": Block(width) for number in range(1, 5)}
    ends = {"embedding": Embedding(characters, width)}, {"head": Head(width, characters)}
    return nn.Sequential(OrderedDict(ends[0] | blocks | ends[1]))


@dataclass(frozen=True, repr=False)
class Book(data.Provider):
    """Windows of a text, at places that are drawn anew in each pass; the target is the text one character later."""

    text: str = field(repr=False)
    alphabet: str = field(repr=False)
    windows: int = WINDOWS
    seed: int = 0

    def open(self) -> data.Source:
        """Encode the text, on the worker of the sentinel."""
        return Windows(self)


class Windows(data.Source):
    """The same windows for the same pass: batches that are lost with a worker can be sent again."""

    def __init__(self, book: Book) -> None:
        self.codes, self.book, self.samples = encoded(book.text, book.alphabet), book, book.windows

    def batches(self, epoch: int, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        book, spans = self.book, np.arange(CONTEXT + 1)
        starts = np.random.default_rng((book.seed, epoch)).integers(len(self.codes) - CONTEXT, size=book.windows)
        for first in range(0, book.windows, batch_size):
            windows = self.codes[starts[first : first + batch_size, None] + spans]
            yield windows[:, :-1], windows[:, 1:]


def encoded(text: str, alphabet: str) -> np.ndarray:
    """The places of characters in the alphabet."""
    table = {character: code for code, character in enumerate(alphabet)}
    return np.array([table[character] for character in text], np.int32)


def read_books(files: list[Path]) -> tuple[list[str], str]:
    """Two books, and what is held out: the end of each. One file is cut in the middle."""
    texts = [file.read_text(encoding="utf-8") for file in files] or list(topics.values())
    if len(texts) == 1:
        texts = [texts[0][: len(texts[0]) // 2], texts[0][len(texts[0]) // 2 :]]
    books = ["".join(texts[first::2]) for first in (0, 1)]
    if (shortest := min(map(len, books))) < 40 * CONTEXT:
        raise SystemExit(f"the shorter one of the two books has {shortest} characters: give at least {40 * CONTEXT}")
    ends = [len(book) - len(book) // 20 for book in books]
    return [book[:end] for book, end in zip(books, ends, strict=True)], "".join(
        book[end:] for book, end in zip(books, ends, strict=True)
    )


def consecutive(text: str, alphabet: str) -> data.Provider:
    """All windows of a text, one after the other."""
    codes = encoded(text, alphabet)
    codes = codes[: (len(codes) - 1) // CONTEXT * CONTEXT + 1]
    return data.arrays(codes[:-1].reshape(-1, CONTEXT), codes[1:].reshape(-1, CONTEXT), shuffle=False)


def written(running: Running, prompt: str, alphabet: str, length: int) -> str:
    """The prompt as the live network continues it: each character by the weights of that moment."""
    text, rng = prompt, np.random.default_rng()
    for _ in range(length):
        logits = running.predict(encoded(text[-CONTEXT:], alphabet)[None])[0, :, -1].astype(float) / 0.7
        chances = np.exp(logits - logits.max())
        text += alphabet[rng.choice(len(alphabet), p=chances / chances.sum())]
    return text


def show(running: Running, prompt: str, alphabet: str, length: int, report: PassReport) -> None:
    """Say how good the network is, and show what it writes, unless a newer rating has come while it wrote."""
    if report.mode != "validate":
        return
    print(f"after {report.samples_trained * CONTEXT:,} characters: {report.loss / math.log(2):.3f} bits a character")
    if length and report.number == max(its.number for its in running.history if its.mode == "validate"):
        print(f"    {written(running, prompt, alphabet, length)!r}", flush=True)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    text = "UTF-8; several are dealt out to the two sentinels in turn, one is cut in the middle (Python's help topics)"
    parser.add_argument("--text", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    where = (
        "of a cluster of at least three workers with PyTorch, tcp://127.0.0.1:8786 say (worker processes of its own)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help=where)
    numbers = (
        ("epochs", 40, f"passes of each sentinel, of {WINDOWS} windows of {CONTEXT} characters"),
        ("concurrency", 2, "batches that each sentinel has in flight"),
        ("batch-size", 8, "windows in an update, which as many small batches make as are in flight"),
        ("width", 144, "of the network: 144 makes a million parameters, 200 two"),
        ("length", 40, "characters that it writes after a rating; 0: none"),
        ("seed", 0, "of the weights and of the windows"),
    )
    for name, default, text in numbers:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} ({default})")
    parser.add_argument("--rate", type=float, default=2e-3, metavar="R", help="learning rate at its top (0.002)")
    parser.add_argument("--prompt", default="The ", metavar="TEXT", help='what it continues ("The ")')
    args = parser.parse_args()
    for name in ("epochs", "concurrency", "batch_size", "width"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1, not {getattr(args, name)}")
    if args.width % HEADS:
        parser.error(f"--width is a multiple of {HEADS}, not {args.width}")
    if args.batch_size % (2 * args.concurrency):
        text = f"--batch-size is a multiple of the {2 * args.concurrency} batches in flight, twice --concurrency"
        parser.error(f"{text}, not {args.batch_size}")
    return args


def connected(args: argparse.Namespace, stack: ExitStack) -> Client:
    """A client of the cluster that is asked for, or of one on this machine. The stack closes both."""
    if args.scheduler:
        return stack.enter_context(Client(args.scheduler))
    local = LocalCluster(n_workers=3, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0")
    return stack.enter_context(Client(stack.enter_context(local)))


def train(args: argparse.Namespace, stack: ExitStack) -> float:
    """Train as the arguments say; returns bits a character of the text that is held out."""
    books, rest = read_books(args.text)
    alphabet = "".join(sorted({*args.prompt, *rest, *books[0], *books[1]}))
    updates = args.epochs * 2 * WINDOWS // args.batch_size
    rate = optim.WarmUp(max(1, updates // 20), optim.Cosine(args.rate, updates, final=args.rate / 10))
    held_out, batch = consecutive(rest, alphabet), min(64, (len(rest) - 1) // CONTEXT)
    torch.manual_seed(args.seed)
    adam = TorchOptimizer(torch.optim.AdamW, lr=rate, betas=(0.9, 0.95))
    ahead = optim.WeightPrediction(adam, rule="last-update")
    gates = split_module(transformer(len(alphabet), args.width), ahead, at=["block2", "block4"])
    in_flight = 2 * args.concurrency  # so many batches make an update: gradients are an update late at most
    network = Network(replace(gate, accumulate=in_flight) for gate in gates)

    running = stack.enter_context(deploy(network, connected(args, stack), seed=args.seed))
    print("dashboard:", running.dashboard_link)
    print(f"{network.parameter_count:,} parameters,", *(f"{gate} on {its}" for gate, its in running.placement.items()))
    running.add_callback(partial(show, running, args.prompt, alphabet, args.length))
    running.attach(Sentinel.validate(held_out, batch_size=batch, every="epoch of book0"))
    for number, book in enumerate(books):
        provider = Book(book, alphabet, seed=args.seed * 2 + number)
        trains = Sentinel.train(
            provider, batch_size=args.batch_size // in_flight, concurrency=args.concurrency, name=f"book{number}"
        )
        running.attach(trains, epochs=args.epochs)
    running.wait(progress=True)
    report = running.evaluate(Sentinel.test(held_out, batch_size=batch))
    print(written(running, args.prompt, alphabet, 5 * args.length))
    return report.loss / math.log(2)


def main() -> None:
    """Train, and say how good the network is."""
    args = arguments()
    try:
        with ExitStack() as stack:
            bits = train(args, stack)
    except KeyboardInterrupt:
        print("Interrupted: all that was started has ended.", file=sys.stderr)
        raise SystemExit(130) from None
    print(f"bits a character {bits:.3f}")


if __name__ == "__main__":
    main()
