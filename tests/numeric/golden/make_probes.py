#!/usr/bin/python3
"""Make probes.safetensors, which test_probes.c holds curves to: PyTorch's losses, in
double precision, along straight lines, for every way to get the running statistics of
a point where there are any. Needs what make_nets.py needs.

    /usr/bin/python3 tests/numeric/golden/make_probes.py

Nothing that goes in is stored: images and labels are hashes, states a and b are those
of make_nets.py for seeds A and B. The first TRAIN images are the training set, the
others the test set; a large net has only the first few of either. Statistics are
recomputed from the whole training set.

meta nets                 their names, and of each its spec
meta NET.groups           the groups varied
NET.examples              of the training set, of the test set
alphas                    (n)
NET.GROUP.BN.loss         (splits, n) mean cross-entropy in nats
NET.GROUP.BN.correct      (splits, n) right answers
NET.GROUP.BN.ties         (splits, n) examples whose answer hangs on the last digits
"""
import os

import numpy
import torch
import torch.nn.functional as F

from make_golden import HERE, spec_text, write_safetensors
from make_nets import build, fill, hashes, state_of, unit_of

TRAIN, TEST, BATCH = 72, 64, 128
A, B = 1, 2
ALPHAS = [-0.2, 0.0, 0.3, 0.75, 1.0, 1.2]
WAYS = ["interp", "recompute", "end", "start", "batch"]
DATA = {"data.shape": [1, 28, 28]}
ALL = (TRAIN, TEST)
NETS = {
    "mlp": ({"model.name": "mlp", "model.widths": [32, 16], "model.norm": "batch"},
            ["all", "fc1", "fc2", "fc3"], ALL),
    "mlp-plain": ({"model.name": "mlp", "model.widths": [32, 16]},
                  ["all", "fc1", "fc2", "fc3", "fc1+fc3"], ALL),
    "lenet5": ({"model.name": "lenet5"},
               ["all", "conv1", "conv2", "fc1", "fc2", "fc3", "conv2+fc1", "all:biases"],
               ALL),
    "resnet20": ({"model.name": "resnet20", "model.width": 8.0},
                 ["all", "stem", "B2", "layer3.0.conv1", "fc", "all:weights"], ALL),
    "resnet18": ({"model.name": "resnet18", "model.width": 0.25},
                 ["all", "stem", "B1", "B2", "B3", "B4", "layer4.1.conv2", "fc"],
                 (24, 16)),
}


def block_of(name):
    part = name.split(".")[0]
    return {"conv1": "stem", "bn1": "stem"}.get(part, part.replace("layer", "B"))


def unit(name):
    """As unit_of, where an MLP's norms belong to dense layers."""
    return unit_of(name) if "layer" in name or "conv" in name else {
        "bn1": "fc1", "bn2": "fc2"}.get(name.split(".")[0], unit_of(name))


def is_weight(name, value):
    return name.endswith("weight") and value.dim() > 1


def is_in(group, name, value):
    if group == "all:weights":
        return is_weight(name, value)
    if group == "all:biases":  # where there are no norms
        return name.endswith("bias")
    return group == "all" or bool({block_of(name), unit(name)} & set(group.split("+")))


def is_statistic(name):
    return name.endswith(("running_mean", "running_var"))


def point(states, group, way, alpha):
    """State at alpha: rounded to float, since the state that is evaluated is one."""
    a, b = states
    at = {}
    for name, value in b.items():
        moved = is_in(group, name, value)
        to = alpha if moved else 1.0
        if is_statistic(name) and moved and way != "interp":
            to = 0.0 if way == "start" else 1.0
        at[name] = ((1 - to) * a[name].double() + to * value.double()).float()
    return at


def norms(net):
    return [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def evaluate(net, way, x, y):
    net.train(way == "batch")
    for norm in norms(net):
        norm.momentum = 0.0
    with torch.no_grad():
        logits = torch.cat([net(x[i:i + BATCH]) for i in range(0, len(x), BATCH)])
    top = logits.topk(2, 1).values
    return (F.cross_entropy(logits, y).item(), (logits.argmax(1) == y).sum().item(),
            (top[:, 0] - top[:, 1] < 1e-4 * (1 + top.abs().max())).sum().item())


def recompute(net, x):
    net.train()
    for norm in norms(net):
        norm.momentum = 1.0
    with torch.no_grad():
        net(x)


def evaluated(net, states, group, way, splits):
    """(loss, correct, ties), of every point and split."""
    rows = []
    for alpha in ALPHAS:
        for key, value in state_of(net).items():
            value.data.copy_(point(states, group, way, alpha)[key])
        if way == "recompute":
            recompute(net, splits[0][0])
        rows.append([evaluate(net, way, x, y) for x, y in splits])
    return numpy.array(rows).transpose(2, 1, 0)


def record(out, meta, name, options, groups, splits):
    net = build({**DATA, **options}).double()
    states = []
    for seed in (A, B):
        fill(net, seed, 1.0)
        states.append({key: value.detach().clone() for key, value in state_of(net).items()})
    meta[name] = spec_text(options)
    meta[name + ".groups"] = "\n".join(groups)
    out[name + ".examples"] = numpy.array([float(len(y)) for x, y in splits])
    for group in groups:
        for way in WAYS if norms(net) else ["none"]:
            table = evaluated(net, states, group, way, splits)
            for i, what in enumerate(["loss", "correct", "ties"]):
                out[f"{name}.{group}.{way}.{what}"] = numpy.ascontiguousarray(table[i])
            print(name, group, way, numpy.round(table[0], 3).tolist(), flush=True)


def main():
    torch.set_num_threads(1)
    count = TRAIN + TEST
    pixels = (hashes("images", 0, count * 784) >> numpy.uint64(56)).astype(numpy.float64)
    x = torch.from_numpy(((pixels / 255 - 0.2860) / 0.3530).reshape(count, 1, 28, 28))
    y = torch.from_numpy(((hashes("labels", 0, count) >> numpy.uint64(33)) %
                          numpy.uint64(10)).astype(numpy.int64))
    out, meta = {"alphas": numpy.array(ALPHAS)}, {"nets": "\n".join(NETS)}
    for name, (options, groups, (train, test)) in NETS.items():
        splits = [(x[:train], y[:train]), (x[TRAIN:TRAIN + test], y[TRAIN:TRAIN + test])]
        record(out, meta, name, options, groups, splits)
    write_safetensors(os.path.join(HERE, "probes.safetensors"), out, meta)


if __name__ == "__main__":
    main()
