#!/usr/bin/python3
"""Make nets.safetensors, which tests hold networks and engine to: what PyTorch,
in double precision, computes for every kind of network. Needs Debian's
python3-torch; the test needs only the file.

    /usr/bin/python3 tests/numeric/golden/make_nets.py [NET...]

Weights and examples are not stored: number i of a tensor is a hash of the tensor's
name, the net's seed and i (numbers() here, numbers() in the test), rounded to float.

The gradient of a ReLU jumps at 0, and of a max pool where two inputs are equal; an
engine in float that lands on the other side is not wrong, but its gradient is off by
far more than its rounding. So a net's seed is one of the first TRIES for which no
such input is near the jump: MARGIN, relative to the layer's root mean square.

meta nets        their names
meta NET         its spec, and of NET.tensors: name and shape of every parameter, then
                 of the running statistics, each in PyTorch's order
NET.setup        seed, gain of the weights, batch, examples; of NET also the margin found
                 and how far off PyTorch's gradient is in float: deep nets with batch
                 norms magnify rounding, whoever rounds
NET.eval.logits  NET.train.logits        (B,K)
NET.loss         mean cross-entropy of the first and of the second
NET.grad         of the second: for every parameter tensor its L2 norm and its sums
                 under SIGNS random signs (signs())
NET.stats        the same of the running statistics after that pass
NET.steps        losses of STEPS steps of optimizer NET, all from the same net
NET.rates        and their learning rates
"""
import json
import os
import sys

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

from make_golden import HERE, make_optimizer, make_schedule, spec_text, write_safetensors

SIGNS = 4
TRIES, MARGIN = 300, 2e-5
STEPS_TRIES, STEPS_OFF = 20, 5e-6
EXAMPLES, BATCH, STEPS, EPOCH_STEPS = 40, 16, 20, 3  # 16, 16 and 8 an epoch

# ---- numbers that C and Python agree upon -------------------------------------


def hashes(name, seed, count):
    """count 64-bit hashes: FNV-1a of the name, then splitmix64."""
    base = 0xcbf29ce484222325
    for byte in name.encode():
        base = (base ^ byte) * 0x100000001b3 % 2**64
    with numpy.errstate(over="ignore"):
        z = numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = z * numpy.uint64(0x9e3779b97f4a7c15) + numpy.uint64((base + seed) % 2**64)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94d049bb133111eb)
        return z ^ (z >> numpy.uint64(31))


def numbers(name, seed, shape, middle, width):
    """Uniform in [middle - width, middle + width), rounded to float."""
    count = int(numpy.prod(shape))
    unit = (hashes(name, seed, count) >> numpy.uint64(40)) * 2.0**-23 - 1
    return (middle + width * unit).astype(numpy.float32).reshape(shape)


def signs(name, count):
    """(SIGNS, count) of +1 and -1."""
    of = hashes(name, 0, count)
    return numpy.array([1 - 2.0 * (of >> numpy.uint64(k) & numpy.uint64(1))
                        for k in range(SIGNS)])


def digest(tensors):
    rows = []
    for name, value in tensors.items():
        flat = value.detach().numpy().reshape(-1)
        rows.append([numpy.linalg.norm(flat), *(signs(name, flat.size) @ flat)])
    return numpy.array(rows)


def range_of(name, shape, gain):
    """Where a tensor's numbers lie: middle and width."""
    if name.endswith("running_mean"):
        return 0, 0.2
    if name.endswith("running_var"):
        return 1, 0.5
    if name.endswith("bn3.weight"):
        return gain, gain / 4
    if len(shape) > 1:
        return 0, gain * numpy.sqrt(6 / numpy.prod(shape[1:]))
    return (1, 0.25) if name.endswith(("weight", "scale")) else (0, 0.1)


def fill(net, seed, gain):
    for name, value in state_of(net).items():
        shape = list(value.shape)
        value.data.copy_(torch.from_numpy(numbers(name, seed, shape, *range_of(name, shape, gain))))


def state_of(net):
    """In the order of a state vector: parameters, then running statistics."""
    state = dict(net.named_parameters())
    state.update((name, value) for name, value in net.named_buffers()
                 if not name.endswith("num_batches_tracked"))
    return state


# ---- networks ----------------------------------------------------------------

ACTS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


class OptionA(nn.Module):
    """Every second pixel, and zero channels as many before as after."""

    def __init__(self, more, stride):
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x):
        side = self.more // 2
        return F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, side, self.more - side))


def norm_of(how, channels):
    kind = how["norm"]
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind in ("group", "layer"):
        return nn.GroupNorm(how["groups"] if kind == "group" else 1, channels)
    return nn.Identity()


def conv_of(how, before, after, kernel, stride=1, pad=0):
    return nn.Conv2d(before, after, kernel, stride, pad, bias=how["norm"] == "none")


def shortcut_of(how, before, after, stride):
    if not how["residual"] or stride == 1 and before == after:
        return nn.Identity()
    if how["shortcut"] == "pad":
        return OptionA(after - before, stride)
    return nn.Sequential(conv_of(how, before, after, 1, stride), norm_of(how, after))


class Basic(nn.Module):
    expansion = 1

    def __init__(self, how, before, width, stride):
        super().__init__()
        self.conv1 = conv_of(how, before, width, 3, stride, 1)
        self.bn1 = norm_of(how, width)
        self.act1, self.act2 = ACTS[how["act"]](), ACTS[how["act"]]()
        self.conv2 = conv_of(how, width, width, 3, 1, 1)
        self.bn2 = norm_of(how, width)
        self.downsample = shortcut_of(how, before, width, stride)
        self.residual = how["residual"]

    def forward(self, x):
        out = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))
        return self.act2(out + self.downsample(x) if self.residual else out)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, how, before, width, stride):
        super().__init__()
        self.conv1 = conv_of(how, before, width, 1)
        self.bn1 = norm_of(how, width)
        self.conv2 = conv_of(how, width, width, 3, stride, 1)
        self.bn2 = norm_of(how, width)
        self.conv3 = conv_of(how, width, 4 * width, 1)
        self.bn3 = norm_of(how, 4 * width)
        self.acts = nn.ModuleList(ACTS[how["act"]]() for _ in range(3))
        self.downsample = shortcut_of(how, before, 4 * width, stride)

    def forward(self, x):
        out = self.acts[0](self.bn1(self.conv1(x)))
        out = self.acts[1](self.bn2(self.conv2(out)))
        return self.acts[2](self.bn3(self.conv3(out)) + self.downsample(x))


def number():
    """Fixup's: one, added or multiplied."""
    return nn.Parameter(torch.zeros(1))


class Fixup(nn.Module):
    """Zhang, Dauphin and Ma 2019 (1901.09321), as their code has it."""
    expansion = 1

    def __init__(self, how, before, width, stride):
        super().__init__()
        self.bias1a, self.bias1b = number(), number()
        self.bias2a, self.bias2b, self.scale = number(), number(), number()
        self.conv1 = conv_of(how, before, width, 3, stride, 1)
        self.conv2 = conv_of(how, width, width, 3, 1, 1)
        self.act1, self.act2 = ACTS[how["act"]](), ACTS[how["act"]]()
        self.downsample = shortcut_of(how, before, width, stride)

    def forward(self, x):
        begin = x + self.bias1a
        out = self.act1(self.conv1(begin) + self.bias1b)
        out = self.conv2(out + self.bias2a) * self.scale + self.bias2b
        same = isinstance(self.downsample, nn.Identity)
        return self.act2(out + (x if same else self.downsample(begin)))


class ResNet(nn.Module):
    def __init__(self, how, block, counts):
        super().__init__()
        width, channels = how["width"], how["shape"][0]
        kernel, stride, pad = (7, 2, 3) if how["stem"] == "imagenet" else (3, 1, 1)
        self.conv1 = conv_of(how, channels, width, kernel, stride, pad)
        self.bn1 = norm_of(how, width)
        self.bias1, self.bias2 = (number(), number()) if block is Fixup else (None, None)
        self.act = ACTS[how["act"]]()
        if how["stem"] == "imagenet":
            self.pool = nn.MaxPool2d(3, 2, 1)
        before = width
        for s, count in enumerate(counts):
            blocks = []
            for b in range(count):
                blocks.append(block(how, before, width << s, 2 if s > 0 and b == 0 else 1))
                before = (width << s) * block.expansion
            setattr(self, f"layer{s + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, how["classes"])
        self.stages = len(counts)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        x = self.act(x if self.bias1 is None else x + self.bias1)
        if hasattr(self, "pool"):
            x = self.pool(x)
        for s in range(self.stages):
            x = getattr(self, f"layer{s + 1}")(x)
        x = x.mean((2, 3))
        return self.fc(x if self.bias2 is None else x + self.bias2)



VGG11 = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]


class Vgg(nn.Module):
    def __init__(self, how):
        super().__init__()
        layers, before = [], how["shape"][0]
        for width in VGG11:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            width = int(width * how["width"])
            layers.append(nn.Conv2d(before, width, 3, 1, 1, bias=how["norm"] == "none"))
            if how["norm"] != "none":
                layers.append(norm_of(how, width))
            layers.append(ACTS[how["act"]]())
            before = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(before, how["classes"]))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class Mlp(nn.Module):
    def __init__(self, how):
        super().__init__()
        before = int(numpy.prod(how["shape"]))
        self.depth = len(how["widths"])
        for i, width in enumerate(how["widths"], 1):
            setattr(self, f"fc{i}", nn.Linear(before, width))
            setattr(self, f"bn{i}", norm_of(how, width))
            setattr(self, f"act{i}", ACTS[how["act"]]())
            before = width
        setattr(self, f"fc{self.depth + 1}", nn.Linear(before, how["classes"]))

    def forward(self, x):
        x = torch.flatten(x, 1)
        for i in range(1, self.depth + 1):
            x = getattr(self, f"fc{i}")(x)
            x = getattr(self, f"bn{i}")(x[:, :, None, None])[:, :, 0, 0]
            x = getattr(self, f"act{i}")(x)
        return getattr(self, f"fc{self.depth + 1}")(x)


class LeNet5(nn.Module):
    def __init__(self, how):
        super().__init__()
        act = ACTS[how["act"]]
        self.conv1 = nn.Conv2d(how["shape"][0], 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * (how["shape"][1] // 4 - 2) * (how["shape"][2] // 4 - 2), 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, how["classes"])
        self.act1, self.act2, self.act3, self.act4 = act(), act(), act(), act()
        self.pool1, self.pool2 = nn.MaxPool2d(2, 2), nn.MaxPool2d(2, 2)

    def forward(self, x):
        x = self.pool1(self.act1(self.conv1(x)))
        x = self.pool2(self.act2(self.conv2(x)))
        x = self.act3(self.fc1(torch.flatten(x, 1)))
        return self.fc3(self.act4(self.fc2(x)))


BASICS = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3],
          "resnet20": [3, 3, 3], "resnet32": [5, 5, 5]}


def build(options):
    get = options.get
    name = get("model.name", "lenet5")
    small = name in ("resnet20", "resnet32")
    how = {"shape": get("data.shape", [3, 32, 32]), "classes": get("data.prototypes", 10),
           "act": get("model.activation", "relu"),
           "norm": get("model.norm", "batch" if name.startswith("resnet") else "none"),
           "groups": get("model.norm_groups", 8), "shortcut": get("model.shortcut", "conv"),
           "residual": get("model.residual", True), "stem": get("model.stem", "cifar"),
           "widths": get("model.widths", [300, 100])}
    if name.startswith("resnet"):
        how["width"] = int(get("model.width", 16.0) if small else 64 * get("model.width", 1.0))
        if name == "resnet50":
            return ResNet(how, Bottleneck, [3, 4, 6, 3])
        return ResNet(how, Fixup if how["norm"] == "fixup" else Basic, BASICS[name])
    how["width"] = get("model.width", 1.0)
    return {"vgg11": Vgg, "mlp": Mlp, "lenet5": LeNet5}[name](how)


# ---- what is asked of them ----------------------------------------------------

SMALL = {"data.name": "blobs", "data.shape": [3, 16, 16]}
QUARTER = {**SMALL, "model.width": 0.25}

# Options of the net, examples in the batch, gain of the weights: without a norm, every
# residual block makes activations larger, so these begin smaller. The gain is also that
# of the norm that ends a bottleneck's branch: with all of it resnet50 magnifies rounding
# so much that PyTorch's own gradient in float is off by 5e-5, whatever the batch (4, 8
# and 16 were tried); with a tenth, near which its training begins, by 2e-6.
NETS = {
    "mlp": ({**SMALL, "model.name": "mlp", "model.widths": [64, 32]}, 16, 1.0),
    "mlp-batch": ({**SMALL, "model.name": "mlp", "model.widths": [64, 32],
                   "model.norm": "batch"}, 16, 1.0),
    "mlp-layer-gelu": ({**SMALL, "model.name": "mlp", "model.widths": [64, 32],
                        "model.norm": "layer", "model.activation": "gelu"}, 16, 1.0),
    "mlp-tanh": ({**SMALL, "model.name": "mlp", "model.widths": [64, 32],
                  "model.activation": "tanh"}, 16, 0.7),
    "lenet5-sigmoid": ({**SMALL, "model.activation": "sigmoid"}, 8, 1.0),
    "lenet5-gelu": ({**SMALL, "model.activation": "gelu"}, 8, 1.0),
    "vgg11": ({"data.name": "blobs", "model.name": "vgg11", "model.width": 0.25}, 4, 1.0),
    "vgg11-batch": ({"data.name": "blobs", "model.name": "vgg11", "model.width": 0.25,
                     "model.norm": "batch"}, 4, 1.0),
    "resnet20": ({**SMALL, "model.name": "resnet20"}, 4, 1.0),
    "resnet20-pad": ({**SMALL, "model.name": "resnet20", "model.shortcut": "pad"}, 4, 1.0),
    "resnet20-none": ({**SMALL, "model.name": "resnet20", "model.norm": "none"}, 4, 0.6),
    "resnet20-group": ({**SMALL, "model.name": "resnet20", "model.norm": "group"}, 4, 1.0),
    "resnet20-layer": ({**SMALL, "model.name": "resnet20", "model.norm": "layer"}, 4, 1.0),
    "resnet20-fixup": ({**SMALL, "model.name": "resnet20", "model.norm": "fixup"}, 4, 0.6),
    "resnet20-plain": ({**SMALL, "model.name": "resnet20", "model.residual": False,
                        "model.activation": "gelu"}, 8, 1.0),
    "resnet20-gelu": ({"data.name": "blobs", "model.name": "resnet20",
                       "model.activation": "gelu"}, 8, 1.0),
    "resnet18": ({**QUARTER, "model.name": "resnet18"}, 4, 1.0),
    "resnet18-none": ({**QUARTER, "model.name": "resnet18", "model.norm": "none"}, 4, 0.6),
    "resnet18-group": ({**QUARTER, "model.name": "resnet18", "model.norm": "group"}, 4, 1.0),
    "resnet18-layer": ({**QUARTER, "model.name": "resnet18", "model.norm": "layer"}, 4, 1.0),
    "resnet18-gelu": ({"data.name": "blobs", "model.width": 0.25, "model.name": "resnet18",
                       "model.activation": "gelu"}, 8, 1.0),
    "resnet50": ({**QUARTER, "model.name": "resnet50"}, 4, 1.0),
    "resnet50-calm": ({**QUARTER, "model.name": "resnet50"}, 4, 0.1),
    "resnet50-none": ({**QUARTER, "model.name": "resnet50", "model.norm": "none"}, 4, 0.5),
    "resnet50-imagenet": ({"data.name": "blobs", "data.shape": [3, 64, 64],
                           "model.width": 0.25, "model.name": "resnet50",
                           "model.stem": "imagenet", "model.activation": "gelu"}, 8, 1.0),
}

# 20 steps of resnet20, all from the same weights. No seed keeps 20 steps away from all
# jumps, so this one is smooth.
STEPS_NET = ("resnet20", {**SMALL, "model.activation": "gelu"}, 1.0)
OPTIMS = {
    "sgd": {"optimizer.lr": 0.02, "optimizer.momentum": 0.9, "optimizer.weight_decay": 0.02,
            "train.schedule.name": "step", "train.schedule.at": [2, 4], "train.epochs": 7},
    "nesterov": {"optimizer.lr": 0.01, "optimizer.momentum": 0.9, "optimizer.nesterov": True,
                 "optimizer.weight_decay": 0.02, "train.schedule.name": "cosine",
                 "train.schedule.warmup": 2, "train.epochs": 7},
    "adam": {"optimizer.name": "adam", "optimizer.lr": 5e-4, "optimizer.weight_decay": 0.1,
             "optimizer.eps": 1e-4, "train.schedule.name": "cosine", "train.epochs": 7},
    "adamw": {"optimizer.name": "adamw", "optimizer.lr": 5e-4, "optimizer.eps": 1e-4,
              "optimizer.weight_decay": 1.0, "train.schedule.warmup": 2,
              "train.schedule.name": "step", "train.schedule.at": [4], "train.epochs": 7},
    "sgd-groups": {
        "optimizer.lr": 0.01, "optimizer.momentum": 0.9, "optimizer.weight_decay": 0.02,
        "optimizer.group_lr": ["layer2.0.conv1=0.5", "fc=2.0"],
        "optimizer.group_decay": ["conv1=0.1", "fc=0.0"],
        "train.schedule.name": "cosine", "train.epochs": 7},
    "adamw-groups": {
        "optimizer.name": "adamw", "optimizer.lr": 5e-4, "optimizer.eps": 1e-4,
        "optimizer.weight_decay": 1.0, "optimizer.decay_on": "weights",
        "optimizer.group_lr": ["conv1=0.25", "layer3.1.conv2=3.0"],
        "optimizer.group_decay": ["layer1.0.conv1=4.0"], "train.epochs": 7},
    "rmsprop": {"optimizer.name": "rmsprop", "optimizer.lr": 2e-4, "optimizer.eps": 1e-3,
                "optimizer.weight_decay": 0.1, "train.schedule.name": "cosine",
                "train.epochs": 7},
}


def examples(options, seed, count):
    shape = [count, *options.get("data.shape", [3, 32, 32])]
    x = torch.from_numpy(numbers("x", seed, shape, 0, 3 ** 0.5)).double()
    y = hashes("y", seed, count) >> numpy.uint64(33)
    return x, torch.from_numpy((y % numpy.uint64(10)).astype(numpy.int64))


class Margins:
    """How near the inputs of a net's jumps are to them."""

    def __init__(self, net):
        self.least = numpy.inf
        for module in net.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(self.relu)
            if isinstance(module, nn.MaxPool2d):
                module.register_forward_pre_hook(self.pool)

    def note(self, gaps, x):
        if gaps.numel():
            self.least = min(self.least, (gaps.min() / x.pow(2).mean().sqrt()).item())

    def relu(self, module, inputs):
        self.note(inputs[0].abs(), inputs[0])

    def pool(self, module, inputs):
        """Best against second; windows that are all 0, after a ReLU, pass nothing."""
        x, pad = inputs[0], module.padding
        x = F.pad(x, [pad] * 4, value=-1e30)
        patches = F.unfold(x, module.kernel_size, stride=module.stride)
        patches = patches.reshape(x.shape[0], x.shape[1], module.kernel_size ** 2, -1)
        top = patches.topk(2, 2).values
        gaps = (top[:, :, 0] - top[:, :, 1])[top[:, :, 0] != 0]
        self.note(gaps, inputs[0])


def find_seed(net, options, batch, gain):
    margins, best = Margins(net), (-1.0, 0)
    net.train()
    for seed in range(1, TRIES + 1):
        fill(net, seed, gain)
        margins.least = numpy.inf
        with torch.no_grad():
            net(examples(options, seed, batch)[0])
        best = max(best, (min(margins.least, 1.0), -seed))
        if best[0] > MARGIN:
            break
    return -best[1], best[0]


def gradient(options, seed, batch, gain, kind):
    net = build(options).to(kind)
    fill(net, seed, gain)
    x, y = examples(options, seed, batch)
    F.cross_entropy(net(x.to(kind)), y).backward()
    return [value.grad.double() for value in net.parameters()]


def rounding(options, seed, batch, gain):
    """Of PyTorch's own gradient in float, measured as the test measures."""
    exact = gradient(options, seed, batch, gain, torch.float64)
    rounded = gradient(options, seed, batch, gain, torch.float32)
    most = max(value.norm() for value in exact)
    return max(((a - b).norm() / max(a.norm(), 1e-2 * most)).item()
               for a, b in zip(exact, rounded))


def record(out, meta, name, options, batch, gain):
    net = build(options).double()
    seed, margin = find_seed(net, options, batch, gain)
    off = rounding(options, seed, batch, gain)
    fill(net, seed, gain)
    x, y = examples(options, seed, batch)
    meta[name] = spec_text(options)
    meta[name + ".tensors"] = "".join(
        f"{key} {'x'.join(map(str, value.shape))}\n" for key, value in state_of(net).items())
    out[name + ".setup"] = numpy.array([seed, gain, batch, batch, margin, off])
    net.eval()
    with torch.no_grad():
        logits = net(x)
    out[name + ".eval.logits"] = logits.numpy()
    losses = [F.cross_entropy(logits, y).item()]
    net.train()
    logits = net(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    out[name + ".train.logits"] = logits.detach().numpy()
    out[name + ".loss"] = numpy.array(losses + [loss.item()])
    params = dict(net.named_parameters())
    out[name + ".grad"] = digest({key: value.grad for key, value in params.items()})
    stats = {key: value for key, value in state_of(net).items() if key not in params}
    if stats:
        out[name + ".stats"] = digest(stats)
    norms = out[name + ".grad"][:, 0]
    print(f"{name}: seed {seed}, margin {margin:.1e}, in float {off:.1e} off, losses {out[name + '.loss']}, "
          f"gradients {norms.min():.1e} to {norms.max():.1e}", flush=True)


def unit_of(name):
    """The layer with weights that a tensor belongs to: bn1 is conv1's."""
    layer = name.rsplit(".", 1)[0]
    return layer.replace("downsample.1", "downsample.0").replace("bn", "conv")


def split_groups(optimizer, net, get):
    """A param group for every tensor, with the settings of its coord group."""
    rates = dict(pair.split("=") for pair in get("optimizer.group_lr", []))
    decays = dict(pair.split("=") for pair in get("optimizer.group_decay", []))
    names = {id(value): name for name, value in net.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        for value in group["params"]:
            unit = unit_of(names[id(value)])
            groups.append({**group, "params": [value],
                           "lr": group["lr"] * float(rates.get(unit, 1)),
                           "weight_decay": float(decays.get(unit, group["weight_decay"]))})
    # The first group's rate is the one that is written down: one without a factor.
    plain = next(i for i, group in enumerate(groups)
                 if unit_of(names[id(group["params"][0])]) not in rates)
    optimizer.param_groups[:] = [groups.pop(plain), *groups]


def steps_of(net, options, x, y):
    """Losses and learning rates of every step, the order of examples kept."""
    get, losses, rates = options.get, [], []
    optimizer = make_optimizer(net, get)
    split_groups(optimizer, net, get)
    warmup = get("train.schedule.warmup", 0)
    ramp = warmup * EPOCH_STEPS
    if ramp:
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / ramp, 1, ramp - 1)
    for step in range(STEPS):
        if step == ramp:
            fall = make_schedule(optimizer, get, warmup)
        at = step % EPOCH_STEPS * BATCH
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[at:at + BATCH]), y[at:at + BATCH])
        loss.backward()
        losses.append(loss.item())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < ramp:
            rise.step()
        elif step >= ramp and (step + 1) % EPOCH_STEPS == 0:
            fall.step()
    return losses, rates


def both_steps(options, seed, gain):
    """In double and in float: how far apart they come shows what rounding does."""
    got = []
    for kind in (torch.float64, torch.float32):
        net = build(options).to(kind)
        fill(net, seed, gain)
        net.train()
        x, y = examples(options, seed, EXAMPLES)
        got.append(steps_of(net, options, x.to(kind), y))
    off = max(abs(a / b - 1) for a, b in zip(got[1][0], got[0][0]))
    return off, seed, *got[0]


def record_steps(out, meta):
    name, data, gain = STEPS_NET
    for key, options in OPTIMS.items():
        options = {**data, "model.name": name, **options}
        tried = []
        while len(tried) < STEPS_TRIES and min(tried, default=(1,))[0] > STEPS_OFF:
            tried.append(both_steps(options, len(tried) + 1, gain))
        off, seed, losses, rates = min(tried)
        meta["steps." + key] = spec_text(options)
        out[f"steps.{key}.setup"] = numpy.array([seed, gain, BATCH, EXAMPLES])
        out[f"steps.{key}.losses"] = numpy.array(losses)
        out[f"steps.{key}.rates"] = numpy.array(rates)
        print(f"{key}: seed {seed}, in float {off:.1e} off,", [round(l, 4) for l in losses],
              flush=True)



def main():
    torch.set_num_threads(1)
    out, meta = {}, {"torch": torch.__version__, "nets": " ".join(NETS)}
    for name, (options, batch, gain) in NETS.items():
        if len(sys.argv) < 2 or name in sys.argv[1:]:
            record(out, meta, name, options, batch, gain)
    if len(sys.argv) < 2 or "steps" in sys.argv[1:]:
        record_steps(out, meta)
    path = os.path.join(HERE, "nets.safetensors") if len(sys.argv) < 2 else "/dev/null"
    write_safetensors(path, out, meta)


if __name__ == "__main__":
    main()
