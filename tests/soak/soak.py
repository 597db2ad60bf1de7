"""A coordinator under a steady flow of jobs that compute nothing, watched for what grows.

soak.py BUILD OUT                   run, write OUT/soak.csv and OUT/verdict.txt
soak.py --judge CSV                 the verdict on an older run

SOAK_JOBS (1000000) jobs over SOAK_SECONDS (3600), submitted in portions over CURVE to a
`coord serve` with the defaults, and done by SOAK_WORKERS (16) simulated workers of four
slots. Every SOAK_SAMPLE (10) seconds a row: what the process holds (resident memory,
descriptors), what it wrote (database, log), what it costs (CPU), and how long answers
take (a submit as the person sees it, program start included; a result until its
acknowledgement). The end: counts and invariants, and how long a restart takes.

Nothing may grow with the jobs that are done but the database. Each bound below has its
reason beside it; slopes are least squares over the second half, when caches are full.
"""

import csv
import os
import subprocess
import sys
import threading
import time

from stage import Stage

SUBMIT_S = 2.0  # between portions
CACHE_FULL = 100 << 20  # bytes of the database; the cache has 64 MiB
GRID = """[sweep]
name = "soak-{n}"
seeds = {seeds}
[base]
data = {{ name = "spiral" }}
model = {{ name = "mlp", widths = [4] }}
optimizer = {{ lr = {lr} }}
train = {{ epochs = 1 }}
"""
COLUMNS = ("second submitted done rss_kib fds wal_bytes db_bytes cpu_s submit_ms_max"
           " ack_us_p50 ack_us_p99 ack_us_max workers_up").split()


def setting(name, default):
    return int(os.environ.get(name, default))


# ---- the verdict ---------------------------------------------------------------------


def slope(xs, ys):
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum(
        (x - mx) ** 2 for x in xs)


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def judge(rows):
    """Lines of (held, sentence)."""
    rows = [{k: float(v) for k, v in row.items()} for row in rows]
    full = [r for r in rows if r["submitted"] < rows[-1]["submitted"]] or rows
    half = full[len(full) // 2:]
    first = full[:len(full) // 2]
    done = [r["done"] for r in half]
    jobs = done[-1] - done[0]
    hours = (half[-1]["second"] - half[0]["second"]) / 3600
    column = lambda name, part=half: [r[name] for r in part]
    grown = lambda name: slope(done, column(name)) * jobs
    mean = lambda name, part=half: sum(column(name, part)) / len(part)
    verdict = []

    def hold(what, value, bound, unit, why):
        verdict.append((value <= bound,
                        f"{what}: {value:.4g} {unit} (at most {bound:.4g}: {why})"))

    if half[0]["db_bytes"] > CACHE_FULL:
        hold("memory per finished job", 1024 * grown("rss_kib") / jobs, 8, "bytes",
             "the number alone of a job that is kept would take 8")
    else:
        verdict.append((True, "memory per finished job: not judged, SQLite's cache of"
                        " 64 MiB is still filling"))
    hold("descriptors", abs(grown("fds")), 1, "in the second half",
         "one that leaks once an hour would show")
    hold("log (WAL), largest of the second half", max(column("wal_bytes")) / 2**20, 64,
         "MiB", "checkpoints begin at 16 MiB; four times that is a checkpoint that waits")
    hold("log (WAL), growth", grown("wal_bytes") / 2**20, 16, "MiB in the second half",
         "it is a saw; a checkpoint size is the noise of its phase")
    cpu = lambda part: (part[-1]["cpu_s"] - part[0]["cpu_s"]) / (
        part[-1]["done"] - part[0]["done"])
    hold("CPU per job, second half over first", cpu(half) / cpu(first), 1.25, "",
         "what is linear in the jobs done would be at 3; an index that deepens is not")
    hold("acknowledgement, median, second half over first",
         quantile(column("ack_us_p50"), 0.5) / quantile(column("ack_us_p50", first), 0.5),
         1.5, "", "as CPU; others use the machine too")
    hold("acknowledgement, p99, second half over first",
         quantile(column("ack_us_p99"), 0.5) / quantile(column("ack_us_p99", first), 0.5),
         2, "", "as the median, with the noise of a tail")
    hold("submit, median, second half over first",
         quantile(column("submit_ms_max"), 0.5) /
         quantile(column("submit_ms_max", first), 0.5), 2, "",
         "a portion is as large at the end as at the beginning")
    size = lambda part: (part[-1]["db_bytes"] - part[0]["db_bytes"]) / (
        part[-1]["done"] - part[0]["done"])
    hold("database per job, second half over first", size(half) / size(first), 1.2, "",
         "rows are as long at the end as at the beginning")
    last = rows[-1]
    facts = (
        f"{last['done']:.0f} jobs in {last['second']:.0f} s"
        f" ({full[-1]['done'] / full[-1]['second']:.0f}/s while submitted),"
        f" second half {hours:.2f} h of {jobs:.0f} jobs",
        f"resident {rows[0]['rss_kib'] / 1024:.1f} MiB at first,"
        f" {half[0]['rss_kib'] / 1024:.1f} at half, {last['rss_kib'] / 1024:.1f} at last,"
        f" {max(r['rss_kib'] for r in rows) / 1024:.1f} at most",
        f"descriptors {min(column('fds')):.0f} to {max(column('fds')):.0f},"
        f" log {min(column('wal_bytes')) / 2**20:.1f} to"
        f" {max(column('wal_bytes')) / 2**20:.1f} MiB,"
        f" database {last['db_bytes'] / 2**20:.0f} MiB,"
        f" {last['db_bytes'] / last['done']:.0f} bytes a job",
        f"CPU {1e6 * cpu(half):.0f} us a job; acknowledgement median"
        f" {mean('ack_us_p50') / 1000:.2f} ms, p99 {mean('ack_us_p99') / 1000:.1f} ms;"
        f" submit {mean('submit_ms_max'):.0f} ms",
    )
    return facts, verdict


def tell(facts, verdict, out):
    for line in facts:
        print(line, file=out)
    for held, line in verdict:
        print(("ok    " if held else "GROWS ") + line, file=out)
    return all(held for held, _ in verdict)


# ---- the run -------------------------------------------------------------------------


class Soak:
    def __init__(self, build, out):
        self.out = out
        self.jobs = setting("SOAK_JOBS", 1000000)
        self.seconds = setting("SOAK_SECONDS", 3600)
        self.sample_s = setting("SOAK_SAMPLE", 10)
        self.workers = setting("SOAK_WORKERS", 16)
        self.stage = Stage(build, out, "soak")
        self.submitted = self.done = self.portion = 0
        self.submit_ms = []
        self.report = (0, 0, 0, 0, 0)
        self.failed = None

    def start_workers(self):
        self.crowd = self.stage.start(
            [self.stage.program("tests/soak/nulls"), "--connect", self.stage.endpoint,
             "--key", self.stage.path("keys/worker.key"), "--count", str(self.workers),
             "--slots", "4", "--ahead", "4", "--run", str(120 * self.workers * 4 // 64),
             "--report", str(1000 * self.sample_s)], "nulls.log",
            stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.crowd.stdout:
            words = line.split()
            if words[0].isdigit():
                self.report = tuple(int(word) for word in words)
                self.done += self.report[1]

    def submit(self, count):
        path = self.stage.path("grid.toml")
        self.portion += 1
        with open(path, "w") as grid:
            grid.write(GRID.format(n=self.portion, seeds=count,
                                   lr=f"{0.01 + 1e-7 * self.portion:.7f}"))
        begin = time.monotonic()
        said = self.stage.coord("submit", path)
        if said.returncode != 0:
            self.failed = f"portion {self.portion}: {said.stderr}"
        self.submit_ms.append(1000 * (time.monotonic() - begin))
        self.submitted += count

    def size(self, name):
        path = self.stage.path(name)
        return os.path.getsize(path) if os.path.exists(path) else 0

    def sample(self, begin):
        proc = f"/proc/{self.stage.server.pid}"
        status = dict(line.split(":", 1) for line in open(f"{proc}/status"))
        ticks = open(f"{proc}/stat").read().rsplit(")", 1)[1].split()
        worst = max(self.submit_ms or [0])
        self.submit_ms = []
        return (round(time.monotonic() - begin, 1), self.submitted, self.done,
                int(status["VmRSS"].split()[0]), len(os.listdir(f"{proc}/fd")),
                self.size("coord.db-wal"), self.size("coord.db"),
                (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"),
                round(worst, 1), *self.report[2:], self.report[0])

    def flow(self, writer):
        """Portions until all are submitted, samples until all are done."""
        begin = time.monotonic()
        per_s = self.jobs / self.seconds
        due_submit = due_sample = begin
        while self.done < self.jobs and not self.failed:
            now = time.monotonic()
            owed = min(self.jobs, int(per_s * (now - begin + SUBMIT_S)))
            if now >= due_submit and self.submitted < owed:
                self.submit(owed - self.submitted)
                due_submit += SUBMIT_S
            if now >= due_sample:
                writer.writerow(self.sample(begin))
                self.file.flush()
                due_sample += self.sample_s
            if any(p.poll() is not None for p in (self.stage.server, self.crowd)):
                self.failed = "a process died: see its log"
                return
            if now > begin + 2 * self.seconds + 300:
                self.failed = f"{self.done} of {self.jobs} jobs in twice the time"
            time.sleep(max(0.0, min(due_submit, due_sample, now + 1) - time.monotonic()))
        writer.writerow(self.sample(begin))
        self.file.flush()

    def count(self, out):
        """Counts, a restart, invariants; whether all is well."""
        counts = self.stage.sql("SELECT (SELECT count(*) FROM job WHERE state = 'done'),"
                                " (SELECT count(*) FROM result),"
                                " (SELECT count(*) FROM attempt)")[0]
        print(f"done, results, attempts: {counts}", file=out)
        self.stage.end(self.crowd)
        self.stage.end(self.stage.server)
        print(f"restart with all of it: {self.stage.serve():.3f} s", file=out)
        held, row = self.stage.invariants()
        print(f"invariants: {row}", file=out)
        self.stage.end(self.stage.server)
        n = str(self.jobs)
        return held and counts.split(",")[:2] == [n, n]

    def run(self):
        sound = flat = False
        try:
            self.stage.serve()
            self.start_workers()
            with open(f"{self.out}/soak.csv", "w") as self.file:
                writer = csv.writer(self.file)
                writer.writerow(COLUMNS)
                self.flow(writer)
            with open(f"{self.out}/verdict.txt", "w") as out:
                if self.failed:
                    print(f"failed: {self.failed}", file=out)
                else:
                    sound = self.count(out)
                    flat = tell(*judge(csv.DictReader(open(f"{self.out}/soak.csv"))), out)
        finally:
            self.stage.close()
        print(open(f"{self.out}/verdict.txt").read(), end="")
        return sound and flat


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--judge":
        return tell(*judge(csv.DictReader(open(sys.argv[2]))), sys.stdout)
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    return Soak(sys.argv[1], sys.argv[2]).run()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
