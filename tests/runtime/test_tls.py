"""Stories of a network over several machines that know each other by certificates."""

import json

import pytest

from tests.support.certificates import certify
from tests.support.machines import joined
from tests.support.multi_machine_cluster import HOSTS, far_cluster
from tests.support.multi_machine_stories import EPOCHS, FarStories, travel
from tests.support.multi_machine_user import NAMES, SAMPLES
from tests.support.patience import PATIENCE
from tests.support.tls_probe import SECONDS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Each host's folder."""
    return certify(tmp_path_factory.mktemp("tls") / "authority", *HOSTS)


@pytest.fixture(scope="module")
def far(tmp_path_factory, certificates):
    """The cluster, and the host of a stranger."""
    folder = tmp_path_factory.mktemp("far")
    with joined(*HOSTS, "stranger") as machines, far_cluster(machines, folder, certificates) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def journey(far):
    """A training on it."""
    return travel(far)


class TestTLS(FarStories):
    def test_an_eavesdropper_reads_no_name_and_no_array(self, far, journey):
        alice, bob = self.workers(far)
        assert journey.alice.nbytes(alice, bob) > EPOCHS * SAMPLES
        assert len(journey.predictions) == 640
        # test_machines.py finds each of them where there is no TLS.
        words = [*(name.encode() for name in NAMES), journey.predictions]
        assert [word for word in words if journey.alice.shows(word, alice, bob)] == []

    def test_strangers_are_refused_and_the_training_goes_on(self, far, certificates, tmp_path):
        theirs = certify(tmp_path / "other", "stranger")["stranger"]
        with far.user() as user:
            user.await_passes(1)
            worker = user.said[0]["placement"]["quince"]
            args = ("-m", "tests.support.tls_probe", far.scheduler, worker, certificates["client"], theirs)
            with far.run("stranger", "strangers", *args) as strangers:
                (told,) = strangers.succeed(within=PATIENCE)
            user.await_passes(2)
            user.stop()
        tries = json.loads(told)
        assert len({(said["who"], said["door"]) for said in tries}) == 12
        refused = {said["who"] for said in tries if said["error"]}
        let_in = {said["who"] for said in tries if not said["error"]}
        assert refused == {"without a certificate", "of another authority", "in plain text"}, tries
        assert let_in == {"member"}, tries
        assert max(said["seconds"] for said in tries) < 2 * SECONDS
        assert {(p["samples"], p["lost"]) for p in user.passes()} == {(SAMPLES, 0)}
        links = [link for said in user.said if "gate" in said for link in said["links"]]
        assert [link["connects"] for link in links] == [1, 1]
