import pytest

from tests.support.batch_readers import Threaded


@pytest.fixture
def threaded():
    made = []

    def make(**options):
        made.append(Threaded(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()
