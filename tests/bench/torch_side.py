"""PyTorch's side of the benchmark: the same networks, batch and optimizer.

torch_side.py NET MODE THREADS LAYOUT     mode: train, forward
                                          layout: contiguous, channels_last

Speaks as bench_nn does: "ready" when warm; then for every line with a number of
seconds it works at least so long and answers with images per second; at the end of
its input it prints "rss" and its largest size in KiB.
"""

import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 128


def conv3(channels, out, stride=1):
    return nn.Conv2d(channels, out, 3, stride, 1, bias=False)


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1, self.bn1 = conv3(channels, out, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv3(out, out), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.downsample(x)
        return self.relu(y)


def resnet(channels, width, stages, blocks):
    layers = [conv3(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    at = width
    for stage in range(stages):
        out = width << stage
        for block in range(blocks):
            layers.append(Block(at, out, 2 if stage > 0 and block == 0 else 1))
            at = out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(at, 10)]
    return nn.Sequential(*layers)


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(inplace=True),
        nn.Linear(120, 84),
        nn.ReLU(inplace=True),
        nn.Linear(84, 10),
    )


def mlp():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 300),
        nn.ReLU(inplace=True),
        nn.Linear(300, 100),
        nn.ReLU(inplace=True),
        nn.Linear(100, 10),
    )


NETS = {
    "resnet18": (lambda: resnet(3, 64, 4, 2), (3, 32, 32)),
    "resnet20": (lambda: resnet(1, 16, 3, 3), (1, 28, 28)),
    "lenet5": (lenet5, (1, 28, 28)),
    "mlp": (mlp, (1, 28, 28)),
}


def train_step(model, x, labels):
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step


def forward_step(model, x, _labels):
    model.eval()

    def step():
        with torch.inference_mode():
            model(x)

    return step


def main():
    net, mode, threads, layout = sys.argv[1:5]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    make, shape = NETS[net]
    model, x = make(), torch.rand((BATCH, *shape)) * 2 - 1
    if layout == "channels_last":
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    step = {"train": train_step, "forward": forward_step}[mode](
        model, x, torch.arange(BATCH) % 10
    )
    step()
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, steps, start = float(line), 0, time.monotonic()
        while steps == 0 or time.monotonic() - start < seconds:
            step()
            steps += 1
        print(steps * BATCH / (time.monotonic() - start), flush=True)
    print("rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


main()
