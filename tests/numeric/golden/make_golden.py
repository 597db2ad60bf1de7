#!/usr/bin/python3
"""Make the golden files of test_parity.c: what PyTorch does from given initial
weights, images and data order. Needs Debian's python3-torch and
dataset-fashion-mnist; the tests need only the files.

    /usr/bin/python3 tests/numeric/golden/make_golden.py

data.safetensors   images (N,1,28,28) and labels (N) as bytes, order (all steps'
                   examples in a row) and batch (how many of them each step takes)
NET.safetensors    init.* before the first step, grad.* of the first step,
                   losses of every step; options of the optimizer as metadata
optim.safetensors  init.* of all of OPTIMS; for each of them losses.NAME and
                   rates.NAME (learning rates) of every step, its spec as metadata
"""
import gzip
import json
import os
import struct

import numpy
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = "/usr/share/datasets/fashion-mnist"
EXAMPLES, BATCH, STEPS = 240, 32, 20  # 7 batches of 32 and one of 16 an epoch
EPOCH_STEPS = 8
DTYPES = {"float32": "F32", "float64": "F64", "uint8": "U8", "int64": "I64"}


def write_safetensors(path, arrays, meta=None):
    header, at = {}, 0
    if meta:
        header["__metadata__"] = {key: str(value) for key, value in meta.items()}
    for name, array in arrays.items():
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(numpy.ascontiguousarray(array).tobytes())


def read_idx(name, skip):
    with gzip.open(os.path.join(DATA, name)) as file:
        return numpy.frombuffer(file.read()[skip:], dtype=numpy.uint8)


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(784, 32)
        self.fc2 = torch.nn.Linear(32, 16)
        self.fc3 = torch.nn.Linear(16, 10)

    def forward(self, x):
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


class LeNet5(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(F.relu(self.fc2(x)))


def kaiming(net):
    """PyTorch's own initial weights leave LeNet-5 on a plateau for these 20 steps,
    where little could go wrong; with these it moves."""
    for value in net.parameters():
        if value.dim() > 1:
            torch.nn.init.kaiming_uniform_(value, nonlinearity="relu")
    return net


def batches():
    """The examples of every step: epochs in a new order each, none dropped."""
    order = []
    while len(order) < STEPS:
        epoch = torch.randperm(EXAMPLES)
        order += [epoch[i:i + BATCH] for i in range(0, EXAMPLES, BATCH)]
    return order[:STEPS]


def record(name, net, x, y, order, **options):
    arrays = {"init." + key: value.numpy().copy() for key, value in net.state_dict().items()}
    optimizer = torch.optim.SGD(net.parameters(), **options)
    losses = []
    for step, index in enumerate(order):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[index]), y[index])
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            for key, value in net.named_parameters():
                arrays["grad." + key] = value.grad.numpy().copy()
        optimizer.step()
    arrays["losses"] = numpy.array(losses, dtype=numpy.float32)
    write_safetensors(os.path.join(HERE, name + ".safetensors"), arrays,
                      dict(options, torch=torch.__version__))
    print(name, losses)


# The options that differ from coord's defaults. Every optimizer, each of its
# options, schedule, clipping and smoothing is in one of them.
OPTIMS = {
    "nesterov": {
        "optimizer.lr": 0.05, "optimizer.momentum": 0.9, "optimizer.nesterov": True,
        "optimizer.weight_decay": 5e-4, "train.epochs": 3,
        "train.schedule.name": "cosine", "train.schedule.warmup": 1},
    "momentum": {
        "optimizer.clip": 1.0, "optimizer.decay_on": "weights", "optimizer.momentum": 0.9,
        "optimizer.weight_decay": 0.05, "train.epochs": 3, "train.label_smoothing": 0.1,
        "train.schedule.at": [1, 2], "train.schedule.factor": 0.5,
        "train.schedule.name": "step"},
    "adam": {
        "optimizer.lr": 0.002, "optimizer.name": "adam", "optimizer.weight_decay": 0.01,
        "train.epochs": 3, "train.schedule.name": "cosine"},
    "adamw": {
        "optimizer.beta1": 0.8, "optimizer.beta2": 0.99, "optimizer.decay_on": "weights",
        "optimizer.eps": 1e-6, "optimizer.lr": 0.002, "optimizer.name": "adamw",
        "optimizer.weight_decay": 2.0, "train.schedule.warmup": 2},
    "rmsprop": {
        "optimizer.lr": 5e-4, "optimizer.name": "rmsprop",
        "optimizer.weight_decay": 0.01, "train.epochs": 3,
        "train.schedule.name": "cosine"},
    "rmsprop-momentum": {
        "optimizer.alpha": 0.9, "optimizer.clip": 0.5, "optimizer.eps": 1e-6,
        "optimizer.lr": 2e-4, "optimizer.momentum": 0.9, "optimizer.name": "rmsprop",
        "train.label_smoothing": 0.2, "train.schedule.at": [2],
        "train.schedule.name": "step", "train.schedule.warmup": 1},
}


def spec_text(options):
    lines = (f"{key}={json.dumps(value, separators=(',', ':'))}"
             for key, value in sorted({"numerics": 3, **options}.items()))
    return "\n".join(["coord-spec 1 train", *lines, ""])


def make_optimizer(net, get):
    decay = get("optimizer.weight_decay", 0.0)
    weights = [value for value in net.parameters() if value.dim() > 1]
    biases = [value for value in net.parameters() if value.dim() == 1]
    on_all = get("optimizer.decay_on", "all") == "all"
    groups = [{"params": weights, "weight_decay": decay},
              {"params": biases, "weight_decay": decay if on_all else 0.0}]
    name, lr = get("optimizer.name", "sgd"), get("optimizer.lr", 0.1)
    momentum, eps = get("optimizer.momentum", 0.0), get("optimizer.eps", 1e-8)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum,
                               nesterov=get("optimizer.nesterov", False))
    if name == "rmsprop":
        return torch.optim.RMSprop(groups, lr=lr, momentum=momentum, eps=eps,
                                   alpha=get("optimizer.alpha", 0.99))
    betas = (get("optimizer.beta1", 0.9), get("optimizer.beta2", 0.999))
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    return kind(groups, lr=lr, betas=betas, eps=eps)


def make_schedule(optimizer, get, warmup):
    """What goes by epochs, from the end of warm-up on."""
    scheduler = torch.optim.lr_scheduler
    name = get("train.schedule.name", "constant")
    if name == "cosine":
        return scheduler.CosineAnnealingLR(optimizer, get("train.epochs", 10) - warmup)
    at = [epoch - warmup for epoch in get("train.schedule.at", [])]
    return scheduler.MultiStepLR(optimizer, at, get("train.schedule.factor", 0.1))


def train(options, net, x, y, order):
    """Losses and learning rates of every step."""
    get, losses, rates = options.get, [], []
    optimizer = make_optimizer(net, get)
    warmup, clip = get("train.schedule.warmup", 0), get("optimizer.clip", 0.0)
    ramp = warmup * EPOCH_STEPS
    if ramp:
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / ramp, 1, ramp - 1)
    for step, index in enumerate(order):
        if step == ramp:
            fall = make_schedule(optimizer, get, warmup)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[index]), y[index],
                               label_smoothing=get("train.label_smoothing", 0.0))
        loss.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < ramp:
            rise.step()
        elif step >= ramp and (step + 1) % EPOCH_STEPS == 0:
            fall.step()
    return losses, rates


def record_optims(net, x, y, order):
    start = {key: value.clone() for key, value in net.state_dict().items()}
    arrays = {"init." + key: value.numpy() for key, value in start.items()}
    meta = {"torch": torch.__version__}
    for name, options in OPTIMS.items():
        net.load_state_dict(start)
        losses, rates = train(options, net, x, y, order)
        arrays["losses." + name] = numpy.array(losses, dtype=numpy.float32)
        arrays["rates." + name] = numpy.array(rates)
        meta[name] = spec_text(options)
        print(name, losses, rates)
    write_safetensors(os.path.join(HERE, "optim.safetensors"), arrays, meta)


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images = read_idx("train-images-idx3-ubyte.gz", 16)[:EXAMPLES * 784]
    images = images.reshape(EXAMPLES, 1, 28, 28)
    labels = read_idx("train-labels-idx1-ubyte.gz", 8)[:EXAMPLES]
    order = batches()
    write_safetensors(os.path.join(HERE, "data.safetensors"), {
        "images": images, "labels": labels,
        "order": torch.cat(order).numpy(),
        "batch": numpy.array([len(index) for index in order]),
    })
    x = (torch.from_numpy(images.copy()).float() / 255 - 0.2860) / 0.3530
    y = torch.from_numpy(labels.astype(numpy.int64))
    record("mlp", Mlp(), x, y, order, lr=0.05, momentum=0.9, weight_decay=5e-4,
           nesterov=True)
    record("lenet5", kaiming(LeNet5()), x, y, order, lr=0.02, momentum=0.9, weight_decay=5e-4,
           nesterov=False)
    record_optims(Mlp(), x, y, order)


if __name__ == "__main__":
    main()
