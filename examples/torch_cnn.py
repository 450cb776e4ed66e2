"""A convolutional network of PyTorch in two gates on two workers; at the end plain torch loads what was saved.

A twelfth of the training data is held out, and rates each epoch: the test data are for the end, and choose nothing.
"""

import argparse
import tempfile

import torch
from distributed import Client, LocalCluster
from safetensors.torch import load_file
from torch import nn as tnn

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from akkordeon_dask.torch import TorchOptimizer, split_module

SETS = {"mnist-sample": (data.mnist_sample, 10_000), "fashion-mnist": (data.fashion_mnist, 60_000)}
BATCH, RATE = 128, 3e-3


def cnn() -> tnn.Sequential:
    """Images of one channel and 28 x 28 pixels to ten logits."""
    layers = tnn.Sequential()
    for name, width, channels in (("first", 1, 32), ("second", 32, 64), ("third", 64, 128)):
        layers.add_module(name, tnn.Conv2d(width, channels, 3, padding=1, bias=False))
        layers.add_module(f"{name}_norm", tnn.BatchNorm2d(channels))
        layers.add_module(f"{name}_end", tnn.Sequential(tnn.MaxPool2d(2), tnn.ReLU()))
    head = tnn.Flatten(), tnn.Dropout(0.3), tnn.Linear(128 * 9, 128), tnn.ReLU(), tnn.Linear(128, 10)
    layers.add_module("head", tnn.Sequential(*head))
    return layers


def main() -> None:
    """Deploy, train, and say how well the network does on the test data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=SETS, default="mnist-sample", help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="of the training sentinel (%(default)s)")
    parser.add_argument("--concurrency", type=int, default=3, help="batches in flight at once (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the order of the data (%(default)s)")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    images, samples = SETS[args.data]
    x, y = next(data.open_source(images("train", shuffle=False)).batches(1, samples))
    part, updates = samples // 12, args.epochs * (samples - samples // 12) // BATCH
    train, mirrored = data.arrays(x[part:], y[part:], seed=args.seed), args.data == "fashion-mnist"
    train = data.augment(train, shift=2, flip=mirrored, shape=(28, 28), seed=args.seed)
    rate = optim.WarmUp(updates // 10, optim.Cosine(RATE, updates - updates // 10))
    module, adam = cnn(), TorchOptimizer(torch.optim.AdamW, lr=rate, weight_decay=0.05)
    pixels = Gate(nn.Reshape((1, 28, 28)) >> nn.Scale(mean=72.9, std=90.0), adam, name="pixels")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
        deploy(pixels | split_module(module, adam, at=["second"]), client, seed=args.seed) as running,
        tempfile.TemporaryDirectory() as folder,
    ):
        print("dashboard:", running.dashboard_link)
        running.attach(Sentinel.validate(data.arrays(x[:part], y[:part]), batch_size=500, every="epoch"))
        running.attach(Sentinel.train(train, batch_size=BATCH, concurrency=args.concurrency), epochs=args.epochs)
        running.wait(progress=True)
        report = running.evaluate(Sentinel.test(images("test"), batch_size=500))
        running.save(f"{folder}/cnn.safetensors")
        module.load_state_dict(load_file(f"{folder}/cnn.safetensors"))
    print(f"test accuracy {report.scores['accuracy']:.4f}")


if __name__ == "__main__":
    main()
