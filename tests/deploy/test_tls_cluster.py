"""A cluster of scheduler.sh and worker.sh: with TLS it trains for those who belong, and refuses everybody else."""

import os
import re
import socket
import ssl
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, Security

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from tests.support.patience import scaled, scaled_seconds
from tests.support.programs import LINE, PATIENCE, run
from tests.support.services import address_in, service
from tests.support.workers import workers_now

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster.py"
SECONDS = scaled_seconds(10)
"""In which a stranger is sent away."""


def security_of(folder):
    return Security(
        require_encryption=True,
        tls_ca_file=str(folder / "ca.pem"),
        tls_client_cert=str(folder / "cert.pem"),
        tls_client_key=str(folder / "key.pem"),
    )


@pytest.fixture(scope="module")
def scheduler(certificates, tmp_path_factory):
    """The address of a scheduler with the workers alice and bob, all of them with TLS."""
    folder = tmp_path_factory.mktemp("tls-cluster")
    told = folder / "scheduler.json"
    with ExitStack() as stack:
        where = ("--host", "127.0.0.1", "--port", 0, "--dashboard", "no", "--tls", certificates / "scheduler")
        stack.enter_context(service(folder, "scheduler", "scheduler.sh", *where, "--", "--scheduler-file", told))
        address = address_in(told)
        for name in ("alice", "bob"):
            options = ("--name", name, "--tls", certificates / name, "--scratch", folder, "--dashboard", "no")
            host = ("--host", "127.0.0.1")
            stack.enter_context(service(folder, name, "worker.sh", address, *options, *host))
        with Client(address, security=security_of(certificates / "me"), timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
        yield address


@pytest.fixture
def client(scheduler, certificates):
    with Client(scheduler, security=security_of(certificates / "me"), timeout=PATIENCE) as client:
        yield client


def peers(client):
    """The addresses of all that listen: scheduler, workers, nannies."""
    workers = workers_now(client)
    return [client.scheduler.address, *workers, *(worker["nanny"] for worker in workers.values())]


def test_a_client_with_a_certificate_trains_a_network_over_both_workers(client):
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 256)
    x = (rng.normal(size=(256, 6)) + 2 * y[:, None]).astype(np.float32)
    network = Gate(nn.Linear(6, 16) >> nn.ReLU(), optim.SGD(0.05), workers="alice") | Gate(
        nn.Linear(16, 3), optim.SGD(0.05), workers="bob"
    )
    with deploy(network, client) as running:
        assert {address.partition("://")[0] for address in running.placement.values()} == {"tls"}
        assert len(set(running.placement.values())) == 2
        running.attach(Sentinel.train(data.arrays(x, y), batch_size=16, concurrency=3), epochs=10)
        history = running.wait(timeout=PATIENCE)
    assert [(report.samples, report.lost) for report in history] == [(256, 0)] * 10
    assert history[-1].loss < history[0].loss


def test_an_example_needs_nothing_but_the_environment(scheduler, certificates):
    me = certificates / "me"
    tls = {
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(me / "ca.pem"),
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": str(me / "cert.pem"),
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": str(me / "key.pem"),
    }
    done = run(EXAMPLE, scheduler, "--epochs", 1, **tls)
    assert (done.returncode, done.stderr) == (0, "")
    assert "train0" in {found["sentinel"] for found in LINE.finditer(done.stdout)}


def test_everything_listens_with_tls_and_its_settings_are_those_of_dask_yaml(client):
    assert len(peers(client)) == 5
    assert all(address.startswith("tls://127.0.0.1:") for address in peers(client))
    for environ in client.run(lambda: dict(os.environ)).values():
        assert environ["MALLOC_TRIM_THRESHOLD_"] == "2147483647"
        assert environ["MALLOC_MMAP_THRESHOLD_"] == "1073741824"
        assert environ["OPENBLAS_NUM_THREADS"] == "1"
    assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.worker_ttl) == 60


@pytest.mark.parametrize("who", ["plain", "stranger"])
def test_a_client_who_does_not_belong_is_refused_soon(scheduler, certificates, who):
    address = scheduler.replace("tls://", "tcp://") if who == "plain" else scheduler
    security = None if who == "plain" else security_of(certificates / "stranger")
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"(?i)closed|reset|certificate|timed out"):
        Client(address, security=security, timeout=SECONDS / 2)
    assert time.monotonic() - begun < SECONDS


def is_refused(address, context):
    """Whether who listens there ends the connection and says nothing."""
    with connected(address) as plain:
        try:
            # TLS 1.3 tells of a refused certificate with the first byte that is read.
            with context.wrap_socket(plain) as encrypted:
                return encrypted.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


def connected(address):
    host, port = re.fullmatch(r"tls://(.*):(\d+)", address).groups()
    return socket.create_connection((host, int(port)), timeout=SECONDS)


@pytest.mark.parametrize("who", ["me", "stranger", None])
def test_a_port_takes_a_connection_only_with_a_certificate_of_the_authority(client, certificates, who):
    context = ssl.create_default_context(cafile=str(certificates / "me/ca.pem"))
    context.check_hostname = False
    if who is not None:
        context.load_cert_chain(certificates / who / "cert.pem", certificates / who / "key.pem")
    assert {is_refused(address, context) for address in peers(client)} == {who != "me"}


def test_no_port_says_anything_in_plain_text(client):
    for address in peers(client):
        with connected(address) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                said = plain.recv(100)
            except ConnectionError:
                said = b""
            # An alert of TLS, type 21, is all that may come.
            assert said[:1] in (b"", b"\x15")


def test_a_worker_with_a_certificate_of_another_authority_does_not_join(scheduler, certificates, client, tmp_path):
    options = ("--name", "mallory", "--tls", certificates / "stranger", "--dashboard", "no", "--host", "127.0.0.1")
    with service(tmp_path, "mallory", "worker.sh", scheduler, *options, "--", "--death-timeout", scaled(3)) as mallory:
        assert mallory.wait(timeout=PATIENCE) != 0
    assert "CERTIFICATE_VERIFY_FAILED" in (tmp_path / "mallory").read_text(encoding="utf-8")
    names = {worker["name"] for worker in workers_now(client).values()}
    assert names == {"alice", "bob"}
