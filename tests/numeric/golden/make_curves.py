#!/usr/bin/python3
"""Make curves.safetensors, which test_curves.c holds probes to: PyTorch's losses
along straight lines. Needs what make_golden.py needs, and the files it made.

    /usr/bin/python3 tests/numeric/golden/make_curves.py

The states are those files' own: a is init.*, and b = a - STEP grad.* in float32
(STEP is a power of two, so only the difference rounds). The first TRAIN images are
the training set, the others the test set.

NET.step                 STEP
alphas                   (n)
NET.GROUP.SPLIT.loss     mean cross-entropy in nats, one for each alpha
NET.GROUP.SPLIT.se       its standard error
NET.GROUP.SPLIT.correct  right answers
NET.GROUP.distance       ||b - a|| and that over ||a||, of the group
"""
import json
import os
import struct

import numpy
import torch
import torch.nn.functional as F

from make_golden import DTYPES, HERE, LeNet5, Mlp, write_safetensors

TRAIN = 160
ALPHAS = [-0.25, 0.0, 0.3, 0.75, 1.0, 1.5]
NETS = {"mlp": (Mlp, 1.0), "lenet5": (LeNet5, 0.03125)}


def read_safetensors(name):
    with open(os.path.join(HERE, name + ".safetensors"), "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    types = {name: numpy.dtype(kind) for kind, name in DTYPES.items()}
    arrays = {}
    for key, what in header.items():
        if key != "__metadata__":
            first, end = what["data_offsets"]
            array = numpy.frombuffer(data[first:end], types[what["dtype"]])
            arrays[key] = torch.from_numpy(array.reshape(what["shape"]).copy())
    return arrays


def part(arrays, prefix):
    return {key[len(prefix):]: value for key, value in arrays.items()
            if key.startswith(prefix)}


def is_in(group, name):
    return group == "all" or name.split(".")[0] in group.split("+")


def evaluate(net, x, y):
    """In double, which is nearer to the truth than float of either side."""
    with torch.no_grad():
        logits = net(x)
    top = logits.topk(2, 1).values
    assert (top[:, 0] - top[:, 1]).min() > 1e-5, "too close to a tie to count"
    losses = F.cross_entropy(logits, y, reduction="none").numpy()
    return (losses.mean(), losses.std(ddof=1) / len(losses) ** 0.5,
            int((logits.argmax(1) == y).sum()))


def record(out, name, make, step, splits):
    arrays = read_safetensors(name)
    a, grad = part(arrays, "init."), part(arrays, "grad.")
    b = {key: a[key] - numpy.float32(step) * grad[key] for key in a}
    layers = sorted({key.split(".")[0] for key in a})
    net = make().double()
    out[name + ".step"] = numpy.array([step])
    for group in ["all"] + layers + ["fc1+fc3"]:
        moved = [key for key in a if is_in(group, key)]
        l2 = sum((b[key].double() - a[key].double()).pow(2).sum() for key in moved) ** 0.5
        norm = sum(a[key].double().pow(2).sum() for key in moved) ** 0.5
        out[f"{name}.{group}.distance"] = numpy.array([l2, l2 / norm])
        rows = {split: [] for split in splits}
        for alpha in ALPHAS:
            point = dict(b)
            for key in moved:  # rounded to float: the state that is evaluated is one
                point[key] = ((1 - alpha) * a[key].double() + alpha * b[key].double()).float()
            net.load_state_dict(point)
            for split, (x, y) in splits.items():
                rows[split].append(evaluate(net, x, y))
        for split, row in rows.items():
            loss, error, correct = zip(*row)
            out[f"{name}.{group}.{split}.loss"] = numpy.array(loss)
            out[f"{name}.{group}.{split}.se"] = numpy.array(error)
            out[f"{name}.{group}.{split}.correct"] = numpy.array(correct)
            print(name, group, split, [round(value, 3) for value in loss], correct)


def main():
    torch.set_num_threads(1)
    data = read_safetensors("data")
    x = (data["images"].double() / 255 - 0.2860) / 0.3530
    y = data["labels"].long()
    splits = {"train": (x[:TRAIN], y[:TRAIN]), "test": (x[TRAIN:], y[TRAIN:])}
    out = {"alphas": numpy.array(ALPHAS)}
    for name, (make, step) in NETS.items():
        record(out, name, make, step, splits)
    write_safetensors(os.path.join(HERE, "curves.safetensors"), out)


if __name__ == "__main__":
    main()
