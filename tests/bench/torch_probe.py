"""PyTorch's side of the benchmark of probes, as a user writes it today: load the state
dict of a point, evaluate, for every group and alpha.

torch_probe.py NET THREADS ALPHAS FILE GROUP,...    FILE: of bench_probe

Speaks as bench_probe does.
"""

import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "numeric", "golden"))

import numpy
import torch
import torch.nn.functional as F
from make_nets import build, fill, unit_of

NETS = {
    "mlp": ({"model.name": "mlp", "data.shape": [1, 28, 28]}, 1000),
    "resnet20": ({"model.name": "resnet20", "data.shape": [1, 28, 28]}, 128),
    "resnet18": ({"model.name": "resnet18", "data.shape": [3, 32, 32]}, 128),
}


def state(net, seed):
    fill(net, seed, 1.0)
    return {name: value.clone() for name, value in net.state_dict().items()}


def point(a, b, group, alpha):
    """num_batches_tracked is a count, and stays."""
    moved = {
        name for name in b
        if b[name].is_floating_point() and (group == "all" or unit_of(name) == group)
    }  # fmt: skip
    return {name: torch.lerp(a[name], b[name], alpha) if name in moved else b[name] for name in b}


def seconds(net, x):
    net(x)
    start = time.monotonic()
    net(x)
    return time.monotonic() - start


def faster(net, x, batch):
    """The network and the images in the layout that it evaluates faster."""
    if x.dim() < 4:
        return net, x
    times = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        net, x = net.to(memory_format=layout), x.contiguous(memory_format=layout)
        times[layout] = min(seconds(net, x[:batch]) for _ in range(3))
    layout = min(times, key=times.get)
    return net.to(memory_format=layout), x.contiguous(memory_format=layout)


def main():
    name, threads, alphas, path, groups = sys.argv[1:6]
    torch.set_num_threads(int(threads))
    options, batch = NETS[name]
    net, alphas, groups = build(options), int(alphas), groups.split(",")
    a, b = state(net, 1), state(net, 2)
    shape = options["data.shape"]
    rows = torch.from_numpy(numpy.fromfile(path, numpy.float32).reshape(-1, numpy.prod(shape) + 1))
    x, y = rows[:, :-1].reshape(-1, *shape).clone(), rows[:, -1].long()
    net.eval()
    with torch.inference_mode():
        net, x = faster(net, x, batch)
    losses = []
    print("ready", flush=True)
    for _line in sys.stdin:
        losses, start = [], time.monotonic()
        with torch.inference_mode():
            for group in groups:
                for i in range(alphas):
                    net.load_state_dict(point(a, b, group, i / (alphas - 1)))
                    loss = sum(
                        F.cross_entropy(net(x[k:k + batch]), y[k:k + batch], reduction="sum").item()
                        for k in range(0, len(x), batch)
                    )  # fmt: skip
                    losses.append(loss / len(x))
        print(len(losses) * len(x) / (time.monotonic() - start), flush=True)
    print("curve", *losses)
    print("rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


main()
