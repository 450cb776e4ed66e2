"""Gates of any size are saved and loaded piece by piece: all of them or none, and nobody's memory grows with them."""

import asyncio
import hashlib
from functools import partial

import dask.config
import numpy as np
import pytest
from distributed import Client
from safetensors.numpy import load_file, save

from akkordeon_dask import Gate, deploy, nn
from akkordeon_dask._pieces import Piece, flat_bytes, leaves_of, read_piece, spans
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.runtime import _checkpoint
from akkordeon_dask.runtime._checkpoint_file import read_pieces, write_pieces
from akkordeon_dask.runtime._gate_transfer import staged
from akkordeon_dask.snapshots import digest
from akkordeon_dask.tree import paths
from tests.support import programs
from tests.support.cut_verbs import CutAtAwait, CutAtStep
from tests.support.leftovers import wait_until
from tests.support.patience import scaled, scaled_seconds
from tests.support.small_networks import NETWORK, SGD, equal

MIXED = Gate(nn.Linear(6, 5) >> nn.ReLU(), SGD, dtype="float64", name="a") | Gate(nn.Linear(5, 3), SGD, name="a-b")
KEY = "akkordeon_dask sha256 of tensors"
SIZES = [16, 56, 1 << 20]


def write(path, network, parameters, size, change=lambda piece: piece):
    """The file, written in pieces of a size that may be changed on their way."""
    arrays = {gate: flat_bytes(tree) for gate, tree in parameters.items()}

    def pieces(sections):
        return ((section, change(read_piece(arrays[section[0]], section[1]))) for section in sections)

    write_pieces(str(path), network, {gate: leaves_of(tree) for gate, tree in parameters.items()}, pieces, size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("network", [NETWORK, MIXED], ids=["alike", "mixed"])
def test_a_file_has_the_bytes_that_safetensors_writes_whatever_the_pieces_are(tmp_path, network, size):
    parameters = network.init(3)
    tensors = {name: leaf for gate, tree in parameters.items() for name, leaf in paths(tree, gate)}
    write(tmp_path / "kept", network, parameters, size)
    written = (tmp_path / "kept").read_bytes()
    parts = [bytes.fromhex(digest({name: tensors[name]})) for name in sorted(tensors)]
    total = hashlib.sha256(b"".join(parts)).hexdigest()
    expected = save(tensors, {"format": "akkordeon_dask 1", "network": repr(network.named()), KEY: total})
    assert tail(written) == tail(expected) and total.encode() in written


def tail(content):
    """A file behind its length and its metadata, in which safetensors has no order."""
    assert content.startswith(b'{"__metadata__":{', 8)
    return content[content.index(b'},"') :]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_read_in_pieces_of_any_size(tmp_path, size):
    parameters = MIXED.init(3)
    write(tmp_path / "kept", MIXED, parameters, 1 << 20)
    found = MIXED.init(4)
    arrays = {gate: flat_bytes(tree) for gate, tree in found.items()}

    def send(pieces):
        for (gate, where), piece in pieces:
            content = piece.content
            for span in where:
                arrays[gate][span.path][span.begin : span.end] = content[: span.end - span.begin]
                content = content[span.end - span.begin :]

    read_pieces(str(tmp_path / "kept"), MIXED, {gate: leaves_of(tree) for gate, tree in found.items()}, send, size)
    assert equal(found, parameters)


def test_a_piece_that_is_damaged_on_its_way_leaves_the_file_as_it_was(tmp_path):
    parameters, file = NETWORK.init(1), tmp_path / "kept"
    write(file, NETWORK, NETWORK.init(0), 64)
    before = file.read_bytes()
    with pytest.raises(CheckpointError, match="arrived damaged"):
        write(file, NETWORK, parameters, 64, lambda piece: Piece(piece.content + np.uint8(1), piece.checksum))
    assert file.read_bytes() == before and [*tmp_path.iterdir()] == [file]


def transfers(cluster):
    """How many transfers the gates of a cluster hold."""
    actors = [actor for worker in cluster.workers.values() for actor in worker.state.actors.values()]
    return sum(len(actor._transfers) for actor in actors if isinstance(actor, GateActor))


def test_what_a_client_that_is_gone_has_begun_is_released(somebody, cluster):
    with somebody.deploy(NETWORK) as running:
        session = running._session
        somebody.client.sync(session.on_gates, GateActor.hold, "left", None)
        somebody.client.sync(session.on_gates, GateActor.stage, "behind")
        assert transfers(cluster) == 4
        with dask.config.set({"akkordeon.timeouts.control": scaled(1)}):
            for token in ("left", "behind"):
                somebody.client.sync(session.on_gates, GateActor.renew, token)
        wait_until(lambda: transfers(cluster) == 0)
        with pytest.raises(CheckpointError, match="heard nothing of this transfer"):
            somebody.client.sync(session.on_gates, GateActor.renew, "left")


def test_a_gate_that_lacks_a_piece_is_refused_by_all(somebody):
    async def load_one_piece(session):
        async with staged(session) as transfer:
            where = next(spans(transfer.leaves["g0"], 64))
            await transfer.write("g0", where, read_piece(flat_bytes(NETWORK.init(9)["g0"]), where))
            await transfer.prepare()

    with somebody.deploy(NETWORK) as running:
        before = running.parameters()
        with pytest.raises(CheckpointError, match="lacks bytes of its new parameters"):
            somebody.client.sync(load_one_piece, running._session)
        assert equal(running.parameters(), before)


def test_where_one_gate_is_restarted_between_two_commits_the_error_says_which_has_what(somebody):
    new = NETWORK.init(9)

    async def lose_one(session):
        async with staged(session) as transfer:
            for gate, leaves in transfer.leaves.items():
                for where in spans(leaves, 1 << 20):
                    await transfer.write(gate, where, read_piece(flat_bytes(new[gate]), where))
            await transfer.prepare()
            await transfer.gates["g1"].ask(GateActor.release, transfer.token)
            await transfer.commit()

    with somebody.deploy(NETWORK) as running:
        before = running.parameters()
        with pytest.raises(CheckpointError, match="mixed: gate 'g0' with the new ones; gate 'g1' without them"):
            somebody.client.sync(lose_one, running._session)
        after = running.parameters()
    assert equal(after["g0"], new["g0"]) and equal(after["g1"], before["g1"])


FEATURES = 6000
"""Of a gate of 144 MB."""
BOUND = 100e6
"""Bytes: pieces in flight, and the interpreter's own."""


def test_a_client_needs_no_memory_for_the_gates_that_it_saves_and_loads(processes, tmp_path):
    address = processes.client.scheduler.address
    told = programs.run("-m", "tests.support.large_gate_user", address, FEATURES, tmp_path / "large")
    assert told.returncode == 0, told.stderr
    assert max(map(int, told.stdout.split())) < BOUND
    assert load_file(tmp_path / "large")["g0.0.w"].nbytes == 4 * FEATURES**2


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CutAtAwait, CutAtStep])
@pytest.mark.parametrize("verb", ["save", "load"])
def test_save_and_load_cut_short_do_all_or_nothing_and_hold_nothing(cluster, tmp_path, monkeypatch, kind, verb):
    monkeypatch.setattr(_checkpoint, "write_pieces", partial(write_pieces, size=32))
    monkeypatch.setattr(_checkpoint, "read_pieces", partial(read_pieces, size=32))
    number = asyncio.run(cut_everywhere(cluster, tmp_path, monkeypatch, kind, verb))
    assert number > 1


async def cut_everywhere(cluster, folder, monkeypatch, kind, verb):
    old, new = NETWORK.init(1), NETWORK.init(2)
    for name, parameters in {"old": old, "new": new}.items():
        write(folder / name, NETWORK, parameters, 1 << 20)
    address, number, cut = cluster.scheduler.address, -1, True
    async with Client(address, asynchronous=True) as client, await deploy.aio(NETWORK, client) as running:
        while cut:
            number += 1
            await running.aio.load(folder / "old")
            with monkeypatch.context() as patch:
                act = running.aio.save(folder / "saved") if verb == "save" else running.aio.load(folder / "new")
                cut, _ = await kind(patch, number).call(act)
            await asyncio.to_thread(wait_until, lambda: transfers(cluster) == 0, within=scaled_seconds(5))
            found = await running.aio.parameters()
            assert equal(found, old) or (verb == "load" and equal(found, new))
            assert {file.name for file in folder.iterdir()} <= {"old", "new", "saved"}
            if (folder / "saved").exists():
                assert equal(load_file(folder / "saved"), load_file(folder / "old"))
                (folder / "saved").unlink()
        assert cut is False and equal(found, new if verb == "load" else old)
    return number
