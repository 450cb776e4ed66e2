"""The confusion of classes, where a user asks for it."""

import numpy as np

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim


def test_validations_and_tests_have_a_confusion_and_the_newest_has_images():
    provider = data.mnist_sample("test", take=200, shuffle=False)
    ((x, labels),) = data.open_source(provider).batches(1, 200)
    with deploy(Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.1))) as running:
        running.attach(Sentinel.validate(provider, batch_size=64, every="epoch"))
        running.attach(Sentinel.train(provider, batch_size=20), epochs=3)
        history = running.wait(progress=False)
        tested = running.evaluate(Sentinel.test(provider, batch_size=200), progress=False)
        predicted = running.predict(x).argmax(axis=1)
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (labels, predicted), 1)
    np.testing.assert_array_equal(tested.confusion.matrix, expected)
    rated = [one for one in history if one.mode == "validate"]
    assert [one.confusion.matrix.trace() / 200 for one in rated] == [one.scores["accuracy"] for one in rated]
    assert [bool(one.confusion.wrong) for one in rated] == [False, False, True]
    assert all(one.confusion is None for one in history if one.mode == "train")
    assert all(one.label != one.predicted for one in tested.confusion.wrong)


def test_positions_of_which_as_many_count_as_there_are_samples_have_no_images():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(8, 8, 8)).astype(np.float32), np.repeat([[0], [-1]], (4, 4), axis=0).repeat(2, axis=1)
    network = Gate(nn.Flatten() >> nn.Linear(64, 6) >> nn.Reshape((3, 2)), optim.SGD(0.1))
    loss = nn.SoftmaxCrossEntropy(ignore_index=-1)
    with deploy(network) as running:
        found = running.evaluate(Sentinel.test(data.arrays(x, labels), batch_size=8, loss=loss)).confusion
    assert found.matrix[0, 1:].sum() > 0 and not found.wrong
