"""`--tls`: the keys of whoever calls, and what is said where they do not fit."""

import pytest

from tests.support.certificates import certify
from tests.support.dialogues import akkordeon, called, dask
from tests.support.leftovers import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The user's folder."""
    return certify(tmp_path_factory.mktemp("tls") / "authority", "me", "cluster")["me"]


@pytest.fixture(scope="module")
def secret(folder, tmp_path_factory):
    """The address of a scheduler with a worker alice and a worker bob that speak TLS only."""
    keys = folder.parent / "cluster"
    files = zip(("--tls-ca-file", "--tls-cert", "--tls-key"), ("ca.pem", "cert.pem", "key.pem"), strict=True)
    tls = [word for option, file in files for word in (option, keys / file)]
    told = tmp_path_factory.mktemp("secret") / "scheduler.json"
    common = (*tls, "--protocol", "tls", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", told)
    worker = ("worker", *common, "--nthreads", 1, "--no-nanny", "--name")
    with dask("scheduler", *common, "--port", 0) as scheduler:
        wait_until(lambda: told.is_file() and told.stat().st_size > 0)
        address = scheduler.line(lambda line: "Scheduler at:" in line).split()[-1]
        with dask(*worker, "alice") as alice, dask(*worker, "bob") as bob:
            for one in (alice, bob):
                one.line(lambda line: "Registered to" in line)
            yield address


def test_owner_sentinel_and_status_speak_it(secret, folder, file):
    at = ("--scheduler", secret, "--tls", folder)
    with akkordeon("network", f"{file}:network", "--name", "secret", *at) as owner:
        owner.line("join it")
        train = ("sentinel", "secret", "--mode", "train", "--data", "mnist-sample", "--epochs", 1)
        with akkordeon(*train, *at, "--here") as guest:
            assert guest.end() == 0, guest.err
        assert "tls://" in guest.out[0]
        assert "no sentinels" in called("status", *at).stdout
        assert owner.interrupt() == 0


@pytest.mark.parametrize(
    ("scheme", "with_keys", "told"),
    [("tcp", True, "write tls://"), ("tls", False, "needs --tls FOLDER")],
)
def test_what_does_not_fit_is_one_line(secret, folder, scheme, with_keys, told):
    keys = ("--tls", folder) if with_keys else ()
    done = called("status", "--scheduler", secret.replace("tls", scheme), *keys)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and told in line


def test_a_folder_needs_all_three_files(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    done = called("status", "--scheduler", "tls://x:1", "--tls", tmp_path)
    assert done.exit_code == 2
    assert f"'{tmp_path}' has no cert.pem, no key.pem" in " ".join(done.output.split())


def test_the_demo_speaks_it_to_a_cluster_only(folder):
    done = called("demo", "--tls", folder)
    assert done.exit_code == 2
    assert "--scheduler tls://HOST:PORT" in done.output
