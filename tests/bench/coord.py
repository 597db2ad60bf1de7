"""The coordinator against its targets, N1 to N14, with two peers in the same run.

coord.py BUILD [--table FILE] [--only N5,N9] [--small]

Each measure starts a `coord serve` of its own on loopback with keys, and the
simulated workers of bench_coord. A result is acknowledged after the COMMIT. At the end of
each measure the database is asked what invariants.sql asks: a violation ends the run.
--small is for trying: a tenth of the jobs.
"""

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SPIRAL = """[sweep]
name = "%s"
seeds = %d
[base]
data = { name = "spiral" }
model = { name = "mlp", widths = [8] }
optimizer = { weight_decay = %g }
train = { epochs = %d }
"""


def grid(name, jobs, mark=0.0, epochs=1, tail=""):
    """So many runs: seeds times rates. The mark makes the keys of a grid its own."""
    seeds = min(jobs, 1000)
    rates = [round(0.001 * (i + 1), 6) for i in range(max(1, jobs // 1000))]
    return (SPIRAL % (name, seeds, mark, epochs) + f'[axes]\n"optimizer.lr" = {rates}\n'
            + tail)


def stat(pid):
    """Processor seconds and resident KiB of a process."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{pid}/statm") as file:
        pages = int(file.read().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * 4


def until(what, there, seconds, pause=0.01):
    """Wait for an event, or end with what did not come."""
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Coordinator:
    def __init__(self, bench, folder=None):
        self.bench = bench
        self.own = None if folder else tempfile.TemporaryDirectory(prefix="coord-bench-")
        self.dir = folder or self.own.name
        self.start()

    def start(self):
        self.log = open(os.path.join(self.dir, "serve.log"), "ab")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [self.bench.coord, "serve", "--dir", self.dir, "--bind", "tcp://127.0.0.1:*"],
            stderr=self.log)
        endpoint = os.path.join(self.dir, "endpoint")
        until("coord serve is ready", lambda: os.path.exists(endpoint) or self.ended(), 30,
              0.001)

    def ended(self):
        if self.process.poll() is not None:
            sys.exit("coord serve ended: " + open(self.log.name).read()[-500:])
        return False

    def connected(self):
        return self.ask("SELECT count(*) FROM worker WHERE state = 'connected'")[0]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def restart(self):
        self.stop()
        self.start()

    def submit(self, text):
        """Seconds until the client has heard that it is stored."""
        path = os.path.join(self.dir, "grid.toml")
        with open(path, "w") as file:
            file.write(text)
        begin = time.monotonic()
        subprocess.run([self.bench.coord, "submit", "--dir", self.dir, path], check=True,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - begin

    def worker(self, *words):
        return subprocess.Popen(
            [self.bench.program("bench_coord"), words[0], self.dir, str(self.process.pid)]
            + [str(word) for word in words[1:]], stdout=subprocess.PIPE)

    def drain(self, workers, slots, jobs, points=0):
        said = answer(self.worker("drain", workers, slots, jobs, points))
        if said["refused"]:
            sys.exit(f"{said['refused']} results were refused")
        return said

    def put_state(self):
        """A state that the coordinator has, as every run's final one: its hash."""
        done = subprocess.run([self.bench.program("bench_artifact"), self.dir, "1"],
                              check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)["hash"]

    def ask(self, sql):
        db = sqlite3.connect(f"file:{self.dir}/coord.db?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchone()
        finally:
            db.close()

    def check(self):
        """Nothing lost, nothing doubled, and the events replay to the state."""
        with open(os.path.join(ROOT, "coordinator/sql/invariants.sql")) as file:
            found = self.ask(file.read())
        if any(found):
            sys.exit(f"the database breaks its rules: {found}")
        self.bench.checked += 1

    def close(self, check=True):
        if check:
            self.check()
        self.stop()
        if self.own:
            self.own.cleanup()


def answer(process):
    out = process.communicate()[0]
    if process.returncode != 0:
        sys.exit(f"bench_coord ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


class Bench:
    def __init__(self, build, small):
        self.build = build
        self.coord = os.path.join(build, "bin/coord")
        self.scale = 10 if small else 1
        self.checked = 0
        self.rows = []

    def program(self, name):
        return os.path.join(self.build, "tests/bench", name)

    def row(self, number, what, target, value, good, note=""):
        met = "-" if good is None else "yes" if good else "NO"
        self.rows.append((number, what, target, value, met, note))
        print(f"{number:4} {what}: {value} (reach {target}: {met}) {note}", flush=True)


# ---- the measures ----------------------------------------------------------------


def peer(name, jobs):
    done = subprocess.run([sys.executable, os.path.join(HERE, "peers.py"), name, str(jobs)],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode == 3:
        return None
    if done.returncode != 0:
        sys.exit(f"the peer {name} failed")
    return float(done.stdout.split()[-1])


def spread(values, form="{:.0f}"):
    return f"{form.format(min(values))} to {form.format(max(values))}"


def throughput(bench):
    """N1, N3, N5, N6 and the peers, in turn, three rounds."""
    jobs, rates, cpus, submits, agains = 100000 // bench.scale, [], [], [], []
    peers = {"dask": [], "beanstalkd": []}
    for _ in range(3):
        coordinator = Coordinator(bench)
        text = grid("null", jobs)
        submits.append(coordinator.submit(text))
        agains.append(coordinator.submit(text))
        said = coordinator.drain(4, 128, jobs)
        coordinator.close()
        rates.append(jobs / said["seconds"])
        cpus.append(1e6 * said["cpu_seconds"] / jobs)
        for name, values in peers.items():
            values.append(peer(name, 2000))
    rate, cpu = statistics.median(rates), statistics.median(cpus)
    bench.null_rate = rate
    bench.row("N1", f"{jobs:,} null jobs, 4 workers x 128 slots", "30,000/s",
              f"{rate:,.0f}/s", rate >= 30000, spread(rates))
    bench.row("N3", "processor time of the coordinator a job", "25 us", f"{cpu:.1f} us",
              cpu <= 25, spread(cpus, "{:.1f}"))
    for number, values, what, most in (("N5", submits, "submit", 1.5),
                                       ("N6", agains, "submit once more", 1.0)):
        value = statistics.median(values)
        bench.row(number, f"{what} a grid of {jobs:,} points", f"{most} s",
                  f"{value:.2f} s", value <= most, spread(values, "{:.2f}"))
    for name, values in peers.items():
        if None in values:
            bench.row("", name, "-", "not installed", None,
                      "deploy/install-deps.sh --bench")
        else:
            value = statistics.median(values)
            bench.row("", f"peer: {name}", "-", f"{value:,.0f}/s", None,
                      f"ours is {rate / value:.0f} times that")


def status_times(coordinator, process):
    """How long `coord status` takes while the workers drain."""
    times = []
    while process.poll() is None:
        begin = time.monotonic()
        subprocess.run([coordinator.bench.coord, "status", "--dir", coordinator.dir],
                       check=True, stdout=subprocess.DEVNULL)
        times.append(1000 * (time.monotonic() - begin))
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            pass
    return times


def million(bench):
    """N2, N4, N7, N8."""
    each, grids = 100000 // bench.scale, 10
    jobs = each * grids
    coordinator = Coordinator(bench)
    coordinator.restart()
    empty = stat(coordinator.process.pid)[1]
    for i in range(grids):
        coordinator.submit(grid(f"null{i}", each, mark=(i + 1) * 1e-6))
    coordinator.restart()
    ready = stat(coordinator.process.pid)[1]
    process = coordinator.worker("drain", 16, 128, jobs, 0)
    times = status_times(coordinator, process)
    said = answer(process)
    coordinator.submit(grid("more", 100, mark=0.5))
    coordinator.restart()
    kept = stat(coordinator.process.pid)[1]
    first = coordinator.drain(1, 1, 1)
    restart = time.monotonic() - coordinator.begun
    ended = stat(coordinator.process.pid)[1]
    coordinator.close()
    rate = jobs / said["seconds"]
    base = getattr(bench, "null_rate", rate)
    bench.row("N2", f"{jobs:,} null jobs, 16 workers", "0.9 of N1", f"{rate:,.0f}/s",
              rate >= 0.9 * base, f"{rate / base:.2f} of N1; "
              f"{1e6 * said['cpu_seconds'] / jobs:.1f} us of the coordinator")
    active = 1024 * (ready - empty) / jobs
    bench.row("N4", "memory of an active job", "500 bytes", f"{active:.0f} bytes",
              active <= 500, f"{ready / 1024:.0f} MiB with {jobs:,} ready")
    finished = 1024 * (kept - empty) / jobs
    bench.row("N4", "memory of a finished job", "0", f"{finished:.1f} bytes",
              finished < 8, f"{empty / 1024:.0f} MiB empty, {kept / 1024:.0f} MiB started with "
              f"{jobs:,} ended; {ended / 1024:.0f} MiB once the database's cache is full")
    bench.row("N7", f"restart with {jobs:,} ended, to the first job done", "1 s",
              f"{restart:.2f} s", restart <= 1, f"its job took {first['seconds']:.3f} s")
    middle = statistics.median(times)
    bench.row("N8", "coord status meanwhile", "50 ms", f"{middle:.0f} ms", middle <= 50,
              f"{len(times)} times, the longest {max(times):.0f} ms")


def points(bench):
    """N9."""
    runs, each = 400 // bench.scale, 1000
    coordinator = Coordinator(bench)
    coordinator.submit(grid("curves", runs, tail="""
[[probe]]
name = "path"
kind = "path"
alphas = 25
"""))
    os.environ["BENCH_STATE"] = coordinator.put_state()
    said = coordinator.drain(4, 8, 2 * runs, each)
    del os.environ["BENCH_STATE"]
    coordinator.close()
    rate = said["points"] / said["seconds"]
    bench.row("N9", f"points of curves, {each:,} a probe", "100,000/s", f"{rate:,.0f}/s",
              rate >= 100000, f"{said['points']:,} points and {runs} runs")


def crowd(bench):
    """N10 and N12."""
    count, processes = 5000 // bench.scale, 10
    coordinator = Coordinator(bench)
    begin = time.monotonic()
    children = [coordinator.worker("crowd", count // processes, 30)
                for _ in range(processes)]
    until("all workers are there", lambda: coordinator.connected() >= count, 60, 0.05)
    seconds, there = time.monotonic() - begin, coordinator.connected()
    for child in children:
        child.kill()
        child.communicate()
    coordinator.close()
    bench.row("N10", f"{count:,} workers connect at once", "15 s", f"{seconds:.1f} s",
              there == count and seconds <= 15, f"{there:,} registered")
    coordinator = Coordinator(bench)
    idle = 1000 // bench.scale
    said = answer(coordinator.worker("crowd", idle, 40))
    coordinator.close()
    share = 100 * said["cpu_seconds"] / said["idle_seconds"]
    bench.row("N12", f"{idle:,} idle workers", "2 % of a core", f"{share:.1f} %", share < 2,
              "for 40 s; they beat every 4 s, as workers do that have nothing in hand")


class Workers:
    """Real ones."""

    def __init__(self, coordinator, slots):
        endpoint = open(os.path.join(coordinator.dir, "endpoint")).read().strip()
        key = os.path.join(coordinator.dir, "keys/worker.key")
        self.process = subprocess.Popen(
            [os.path.join(coordinator.bench.build, "bin/coord-worker"), "--connect",
             endpoint, "--key", key, "--slots", str(slots), "--cache",
             os.path.join(coordinator.dir, "cache"), "--log-level", "error"],
            stderr=subprocess.DEVNULL)
        until("the worker is there", coordinator.connected, 30)


def death(bench, sign, number, what, most):
    coordinator = Coordinator(bench)
    worker = Workers(coordinator, 1)
    begin = time.monotonic()
    worker.process.send_signal(sign)
    until("its end was noticed", lambda: coordinator.connected() == 0, 30)
    seconds = time.monotonic() - begin
    worker.process.kill()
    worker.process.wait()
    coordinator.close()
    bench.row(number, what, f"{most} s", f"{seconds:.1f} s", seconds <= most + 0.5)


def deaths(bench):
    """N11."""
    death(bench, signal.SIGKILL, "N11", "a worker is killed, until it is noticed", 1)
    death(bench, signal.SIGSTOP, "N11", "a worker stops, until it is noticed", 6)


def artifacts(bench):
    """N13."""
    puts, gets = [], []
    coordinator = Coordinator(bench)
    for _ in range(3):
        done = subprocess.run([bench.program("bench_artifact"), coordinator.dir, "256"],
                              check=True, stdout=subprocess.PIPE)
        said = json.loads(done.stdout)
        puts.append(said["bytes"] / said["put_seconds"] / 1e6)
        gets.append(said["bytes"] / said["get_seconds"] / 1e6)
    coordinator.close()
    for values, what in ((puts, "to the coordinator, checked and stored"),
                         (gets, "from it, checked")):
        value = statistics.median(values)
        bench.row("N13", f"a state of 256 MiB {what}", "250 MB/s", f"{value:.0f} MB/s",
                  value >= 250, spread(values))


def real_run(bench, jobs, epochs):
    """Mean seconds of a trial, and seconds from the first start to the last end."""
    coordinator = Coordinator(bench)
    worker = Workers(coordinator, 2)
    coordinator.submit(grid("real", jobs, epochs=epochs))
    until("the runs are done", lambda: coordinator.ask(
        "SELECT count(*) FROM job WHERE state = 'done'")[0] >= jobs, 600, 0.05)
    total, first, last = coordinator.ask(
        "SELECT sum(seconds), min(started_ms), max(ended_ms) FROM attempt")
    worker.process.terminate()
    worker.process.wait()
    coordinator.close()
    return total / jobs, (last - first) / 1000


def makespan(bench):
    """N14."""
    epochs, jobs = 200, 1000 // bench.scale
    for _ in range(3):
        mean, _ = real_run(bench, 20, epochs)
        epochs = max(1, round(epochs * 0.1 / mean))
    mean, span = real_run(bench, jobs, epochs)
    ideal = jobs * mean / 2
    bench.row("N14", f"{jobs:,} runs of {1000 * mean:.0f} ms on 2 slots of a real worker",
              "1.03", f"{span / ideal:.3f}", span / ideal <= 1.03,
              "from the first start to the last end, over half the trials' own times")


MEASURES = (("N1", throughput), ("N2", million), ("N9", points), ("N10", crowd),
            ("N11", deaths), ("N13", artifacts), ("N14", makespan))


# ---- the table --------------------------------------------------------------------


def read(path, word=""):
    with open(path) as file:
        return next((line.strip() for line in file if line.startswith(word)), "")


def table(bench, seconds, load):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    cpu = read("/proc/cpuinfo", "model name").split(":")[-1].strip()
    out = [
        "# The coordinator against its targets", "",
        "Written by `make bench-coord-table`.", "",
        f"* date: {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes",
        f"* machine: {cpu}, {os.cpu_count()} cores, shared by the coordinator and the "
        f"simulated workers; load {load} before and {os.getloadavg()[0]:.2f} after",
        f"* commit {commit}; tcp over loopback, CURVE on, durability normal (the log is "
        "written, and not synced, at each COMMIT), acknowledged after the COMMIT",
        "* peers: dask has two worker processes and no keys; beanstalkd syncs its log at "
        "every operation and has neither keys nor results",
        f"* `invariants.sql` was asked of {bench.checked} databases: all zero", "",
        "A null job is handed out, answered at once with a result without rows, stored and",
        "acknowledged. Medians; the range of the rounds is beside them.", "",
        "| id | measure | reach | here | met | |", "| -- | ------- | ----- | ---- | --- | - |"]
    return "\n".join(out + ["| " + " | ".join(row) + " |" for row in bench.rows]) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--table")
    parser.add_argument("--only", default="")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    os.environ["ZSYS_MAX_SOCKETS"] = "8192"
    bench = Bench(os.path.abspath(args.build), args.small)
    begin, load = time.monotonic(), f"{os.getloadavg()[0]:.2f}"
    for number, measure in MEASURES:
        if not args.only or number in args.only.split(","):
            measure(bench)
    text = table(bench, time.monotonic() - begin, load)
    print(text)
    if args.table:
        with open(args.table, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
