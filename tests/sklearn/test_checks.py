"""scikit-learn's own checks of an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from tests.support.one_worker import one_worker

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module", autouse=True)
def default_client():
    """One cluster for all checks: a fit without one starts its own, which takes half a second."""
    with one_worker():
        yield


@parametrize_with_checks([AkkordeonClassifier(), AkkordeonRegressor()])
def test_scikit_learns_checks(estimator, check):
    if "sample_weight_equivalence" in check.func.__name__:
        # A weight of n is n rows of one batch: n rows by themselves make other batches, and float32 rounds.
        estimator.set_params(batch_size=1000, dtype="float64")
    check(estimator)
