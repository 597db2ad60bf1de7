"""Both engines in turn: ours (bench_nn) and PyTorch (torch_side.py).

compare.py BUILD [--table FILE] [--quick]
           [--nets NET,...] [--passes PASS,...] [--settings one,two,jobs,avx2]

Every row is a network, a pass and a setting. Two programs are kept warm and take
turns of a second or one step, whichever is longer; what counts is the median over
rounds of the ratio within a round, so that a change of the machine's pace in
between spoils one round and not the result. PyTorch runs in the faster of its two
layouts, found by the same turns. Only the standard library is used here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
PASSES = ("train", "forward")
BATCH = 128

# seconds of a turn, rounds, whether PyTorch has a choice of layouts
Net = namedtuple("Net", "seconds rounds layouts")
NETS = {
    "resnet18": Net(1.0, 3, True),
    "resnet20": Net(0.8, 5, True),
    "lenet5": Net(0.4, 5, True),
    "mlp": Net(0.4, 5, False),
}

# jobs: how many at once; their rates are added
Setting = namedtuple("Setting", "name threads jobs narrow")
SETTINGS = {
    "one": Setting("1 thread", 1, 1, False),
    "two": Setting("2 threads", 2, 1, False),
    "jobs": Setting("two 1-thread jobs", 1, 2, False),
    "avx2": Setting("1 thread, AVX2 only", 1, 1, True),
}


def environment(threads, narrow, wide_cpu, portable=False):
    """PyTorch at its best for the instruction set, ours (portable) with the BLAS kernels
    that coord-worker takes; or both kept to AVX2."""
    env = dict(os.environ)
    env["OMP_NUM_THREADS"] = env["OPENBLAS_NUM_THREADS"] = str(threads)
    narrow = narrow or not wide_cpu
    env["OPENBLAS_CORETYPE"] = "Haswell" if narrow or portable else "SkylakeX"
    if narrow:
        env.update(COORD_ISA="avx2", ONEDNN_MAX_CPU_ISA="AVX2", DNNL_MAX_CPU_ISA="AVX2")
    return env


class Side:
    """A program that is warm and waits for its turns."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.facts = {}
        self.rss = None

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("compare.py: %s ended early" % " ".join(self.process.args))
        return line

    def await_ready(self):
        words = self.line().split()
        self.facts = dict(word.split("=", 1) for word in words[1:])
        return self

    def begin(self, seconds):
        self.process.stdin.write("%s\n" % seconds)
        self.process.stdin.flush()

    def end(self):
        return float(self.line())

    def close(self):
        """Its largest size in MiB."""
        self.process.stdin.close()
        size = int(self.line().split()[1]) / 1024
        self.process.wait()
        return size


def rate(sides, seconds):
    """What the sides do together, all at once."""
    for side in sides:
        side.begin(seconds)
    return sum([side.end() for side in sides])


Row = namedtuple(
    "Row",
    "net mode setting layout ours torch ratios gain share torch_share rss torch_rss",
)


class Bench:
    def __init__(self, build, quick):
        self.build = build
        self.quick = quick
        self.peaks = {"avx2": [], "avx512": []}
        self.wide_cpu = self.measure_peak()["avx512"] > 0
        self.facts = {}
        self.layouts = {}  # (net, mode, narrow) -> the faster one

    def program(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def measure_peak(self):
        words = subprocess.check_output([self.program("bench_fma")], text=True).split()
        peak = {words[i]: float(words[i + 1]) for i in range(0, len(words), 2)}
        for isa, value in peak.items():
            self.peaks[isa].append(value)
        return peak

    def peak(self, isa):
        return max(self.peaks[isa])

    def ours(self, net, mode, setting, jobs):
        env = environment(setting.threads, setting.narrow, self.wide_cpu, True)
        command = [self.program("bench_nn"), net, mode, str(setting.threads)]
        return [Side(command, env) for _ in range(jobs)]

    def torch(self, net, mode, setting, jobs, layout):
        env = environment(setting.threads, setting.narrow, self.wide_cpu)
        script = os.path.join(HERE, "torch_side.py")
        command = [sys.executable, script, net, mode, str(setting.threads), layout]
        return [Side(command, env) for _ in range(jobs)]

    def layout(self, net, mode, setting):
        """PyTorch's faster layout, on one thread."""
        key = (net, mode, setting.narrow)
        if not NETS[net].layouts:
            return "contiguous"
        if key not in self.layouts:
            one = setting._replace(threads=1, jobs=1)
            rates = {}
            for layout in ("contiguous", "channels_last"):
                side = self.torch(net, mode, one, 1, layout)[0].await_ready()
                turns = NETS[net].rounds // 2
                rates[layout] = max(rate([side], NETS[net].seconds) for _ in range(turns))
                side.close()
            self.layouts[key] = max(rates, key=rates.get)
        return self.layouts[key]

    def row(self, net, mode, setting):
        plan = NETS[net]
        layout = self.layout(net, mode, setting)
        torch = self.torch(net, mode, setting, setting.jobs, layout)
        ours = self.ours(net, mode, setting, setting.jobs)
        # One of ours on one thread beside it: what more cores gain.
        alone = []
        if setting.jobs > 1 or setting.threads > 1:
            alone = self.ours(net, mode, setting._replace(threads=1), 1)
        for side in torch + ours + alone:
            side.await_ready()
        rounds = []
        for _ in range(1 if self.quick else plan.rounds):
            a = rate(ours, plan.seconds)
            single = rate(alone, plan.seconds) if alone else a
            rounds.append((a, rate(torch, plan.seconds), single))
        self.facts = ours[0].facts
        self.measure_peak()
        flops = 2 * float(self.facts["macs"]) * (3 if mode == "train" else 1)
        cores = setting.threads * setting.jobs
        limit = self.peak(self.facts["isa"]) * cores * 1e9
        ours_rate = statistics.median(r[0] for r in rounds)
        torch_rate = statistics.median(r[1] for r in rounds)
        for side in alone:
            side.close()
        return Row(
            net,
            mode,
            setting.name,
            layout,
            ours_rate,
            torch_rate,
            sorted(r[0] / r[1] for r in rounds),
            statistics.median(r[0] / r[2] for r in rounds) if alone else None,
            ours_rate * flops / limit,
            torch_rate * flops / limit,
            sum(side.close() for side in ours),
            sum(side.close() for side in torch),
        )


HEADINGS = (
    "network", "pass", "setting", "ours img/s", "PyTorch img/s", "ratio", "of rounds",
    "of one thread", "of peak", "PyTorch's", "RSS MiB", "PyTorch's", "ratio",
)  # fmt: skip


def cells(row):
    shown = "%.0f" if row.torch >= 100 else "%.1f"
    return (
        row.net,
        row.mode,
        row.setting,
        shown % row.ours,
        shown % row.torch + (" (cl)" if row.layout == "channels_last" else ""),
        "%.2f" % statistics.median(row.ratios),
        "%.2f-%.2f" % (row.ratios[0], row.ratios[-1]),
        "%.2f" % row.gain if row.gain else "",
        "%.0f %%" % (100 * row.share),
        "%.0f %%" % (100 * row.torch_share),
        "%.0f" % row.rss,
        "%.0f" % row.torch_rss,
        "%.2f" % (row.rss / row.torch_rss),
    )


WIDTHS = (8, 7, 19, 10, 13, 5, 11, 13, 7, 9, 7, 9, 5)


def table_line(words):
    return "| " + " | ".join(w.ljust(n) for w, n in zip(words, WIDTHS)) + " |"


def first_line(command):
    try:
        text = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL)
        return text.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu_name():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown"


def conditions(bench, load, seconds):
    import torch  # only its versions; the measured ones have processes of their own

    lanes = ["%s %.0f GF/s" % (isa, max(p)) for isa, p in bench.peaks.items() if max(p)]
    today = time.strftime("%Y-%m-%d", time.gmtime())
    core = "SkylakeX" if bench.wide_cpu else "Haswell"
    return (
        "date: %s, %.0f minutes" % (today, seconds / 60),
        "machine: %s, %d cores, load %s before and %.2f after"
        % (cpu_name(), os.cpu_count(), load, os.getloadavg()[0]),
        "FMA peak of one core, registers only, in the same run: " + ", ".join(lanes),
        "ours: commit %s, kernels for %s, OpenBLAS core type Haswell"
        % (
            first_line(["git", "describe", "--always", "--dirty"]),
            "avx512" if bench.wide_cpu else "avx2",
        ),
        "peer: PyTorch %s, oneDNN, OpenBLAS core type %s (Haswell where AVX2 only)"
        % (torch.__version__, core),
        "batch %d, float, data in memory; train is forward, backward and a step of SGD"
        " with momentum and weight decay" % BATCH,
    )


EXPLANATION = """\
Ratios are ours over PyTorch's: medians over rounds in which both took their turn, and
their range. (cl): channels_last was PyTorch's faster layout. "Of one thread" is ours
against itself on one thread in the same rounds. "Of peak" counts the multiply-adds of
direct sums, three times for training, so that Winograd's savings may exceed 100 %.
RSS is the largest size of the processes of a side.
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--table", metavar="FILE")
    for name, all_of in (("nets", NETS), ("passes", PASSES), ("settings", SETTINGS)):
        parser.add_argument("--" + name, default=",".join(all_of))
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    load, start = "%.2f" % os.getloadavg()[0], time.monotonic()
    bench = Bench(options.build, options.quick)
    if os.getloadavg()[0] > 0.3:
        print("compare.py: others use this machine (load %s): these are no figures to"
              " keep" % load, file=sys.stderr)  # fmt: skip
    lines = [table_line(HEADINGS), table_line(["-" * n for n in WIDTHS])]
    print("\n".join(lines), flush=True)
    for net in options.nets.split(","):
        for mode in options.passes.split(","):
            for setting in [SETTINGS[key] for key in options.settings.split(",")]:
                if setting.narrow and not bench.wide_cpu:
                    continue  # the first row said it
                lines.append(table_line(cells(bench.row(net, mode, setting))))
                print(lines[-1], flush=True)
    facts = conditions(bench, load, time.monotonic() - start)
    print("\n" + "\n".join(facts))
    if options.table:
        with open(options.table, "w", encoding="ascii") as out:
            out.write("# Our engine against PyTorch\n\n")
            out.write("Written by `make bench-table`.\n\n")
            out.write("".join("* %s\n" % fact for fact in facts))
            out.write("\n%s\n%s\n" % (EXPLANATION, "\n".join(lines)))


if __name__ == "__main__":
    main()
