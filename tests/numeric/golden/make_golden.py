#!/usr/bin/python3
"""Make the golden files of test_parity.c: what PyTorch does from given initial
weights, images and data order. Needs Debian's python3-torch and
dataset-fashion-mnist; the tests need only the files.

    /usr/bin/python3 tests/numeric/golden/make_golden.py

data.safetensors   images (N,1,28,28) and labels (N) as bytes, order (all steps'
                   examples in a row) and batch (how many of them each step takes)
NET.safetensors    init.* before the first step, grad.* of the first step,
                   losses of every step; options of the optimizer as metadata
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
DTYPES = {"float32": "F32", "uint8": "U8", "int64": "I64"}


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


if __name__ == "__main__":
    main()
