"""Probes of both engines in turn: ours (bench_probe) and the loop that users of PyTorch
write (torch_probe.py).

compare_probe.py BUILD [--table FILE] [--nets NET,...] [--rounds N] | --fifty

Rates are points of curves times images per second: (group, alpha, image). PyTorch takes
the same time for every layer, so of the layers it is given every fourth; the curves of
those must agree.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time

from compare import HERE, Bench, Side, conditions, environment, table_line

NETS = ("mlp", "resnet20", "resnet18")
MODES = ("whole", "layers")
AGREE = 1e-4  # relative, of losses
SIZE_MAX = 1e9 / 1024 / 1024  # MiB, of a probe of every layer at 50 alphas


class Probe(Side):
    def close(self):
        """Its curve and its largest size in MiB."""
        self.process.stdin.close()
        curve = [float(word) for word in self.line().split()[1:]]
        size = int(self.line().split()[1]) / 1024
        self.process.wait()
        return curve, size


def turn(side):
    side.begin(1)
    return side.end()


def row(bench, net, mode, rounds):
    env = environment(1, False, bench.wide_cpu)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "examples")
        program = [bench.program("bench_probe"), net, mode, "1", path]
        ours = Probe(program, environment(1, False, bench.wide_cpu, True)).await_ready()
        bench.facts = ours.facts
        groups = ours.facts["groups"].split(",")
        few = groups[::4] if len(groups) > 8 else groups
        script = os.path.join(HERE, "torch_probe.py")
        alphas = ours.facts["alphas"]
        command = [sys.executable, script, net, "1", alphas, path, ",".join(few)]
        torch = Probe(command, env).await_ready()
        turns = [(turn(ours), turn(torch)) for _ in range(rounds)]
        (curve, size), (torch_curve, torch_size) = ours.close(), torch.close()
    n, off = int(alphas), 0.0
    for g, group in enumerate(few):
        for i in range(n):
            mine = curve[groups.index(group) * n + i]
            off = max(off, abs(mine / torch_curve[g * n + i] - 1))
    if not off <= AGREE:
        sys.exit("compare_probe.py: %s %s: the curves differ by %g" % (net, mode, off))
    ratios = sorted(a / b for a, b in turns)
    return (
        net,
        mode,
        "%d x %s" % (len(groups), alphas),
        "%.0f" % statistics.median(a for a, _ in turns),
        "%.0f" % statistics.median(b for _, b in turns),
        "%.2f" % statistics.median(ratios),
        "%.2f-%.2f" % (ratios[0], ratios[-1]),
        "%.1e" % off,
        "%.0f" % size,
        "%.0f" % torch_size,
    )


def memory(bench, net, mode="memory"):
    """Our largest size in MiB, with norms interpolated and recomputed from 2,000 images."""
    with tempfile.TemporaryDirectory() as folder:
        program = [bench.program("bench_probe"), net, mode, "1", os.path.join(folder, "x")]
        ours = Probe(program, environment(1, False, bench.wide_cpu, True)).await_ready()
        turn(ours)
        return ours.close()[1]


HEADINGS = (
    "network", "probe", "curves", "ours/s", "PyTorch/s", "ratio", "of rounds", "apart",
    "RSS MiB", "PyTorch's",
)  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--table", metavar="FILE")
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fifty", action="store_true")
    options = parser.parse_args()
    load, start = "%.2f" % os.getloadavg()[0], time.monotonic()
    bench = Bench(options.build, False)
    if options.fifty:
        size = memory(bench, "resnet18", "fifty")
        print("resnet18, every layer at 50 alphas: %.0f MiB" % size)
        sys.exit(0 if size < SIZE_MAX else "compare_probe.py: more than %.0f" % SIZE_MAX)
    lines = [table_line(HEADINGS), table_line(["-" * len(h) for h in HEADINGS])]
    print("\n".join(lines), flush=True)
    for net in options.nets.split(","):
        for mode in MODES:
            lines.append(table_line(row(bench, net, mode, options.rounds)))
            print(lines[-1], flush=True)
    sizes = ["%s %.0f" % (net, memory(bench, net)) for net in options.nets.split(",")]
    lines += ["", "MiB with statistics recomputed from 2,000 images too: " + ", ".join(sizes)]
    print("\n".join(lines[-2:]), flush=True)
    facts = conditions(bench, load, time.monotonic() - start)[:-1]
    print("\n" + "\n".join(facts))
    if options.table:
        with open(options.table, "w", encoding="ascii") as out:
            out.write("# Probes against the loop that users of PyTorch write\n\n")
            out.write("Written by `make bench-probe-table`. One thread.\n\n")
            out.write("".join("* %s\n" % fact for fact in facts))
            out.write("\n%s\n\n%s\n" % (__doc__.split("\n\n")[2].strip(), "\n".join(lines)))


if __name__ == "__main__":
    main()
