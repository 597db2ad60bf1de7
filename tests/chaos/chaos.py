"""A real sweep while everything dies: the same bytes as one that nobody disturbed.

chaos.py BUILD OUT [--short]

First the sweep runs undisturbed. Then again, with CHAOS_WORKERS (3) worker daemons that
live an exponentially distributed time of mean CHAOS_LIFE (2) times a job's mean, and end
by SIGKILL, SIGSEGV, SIGTERM, or are stopped for longer than their lease and go on; at
times it is only the trial that is killed. Each is followed by a new one. The coordinator
is killed every CHAOS_KILL_S (30) seconds, and is back within two. All chance comes from
SEED, and everything that is done is printed.

What a person would do at the end is done too: jobs that used up their tries (a crash that
comes again is the job's own, as far as anybody can tell) are retried, and counted.

In the end every result is compared byte for byte, and the invariants hold.
--short: a few small jobs, whose workers live longer than it takes to start one.
"""

import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../soak"))
from stage import Stage  # noqa: E402

GRID = """[sweep]
name = "chaos"
seeds = {seeds}

[base]
data = {{ name = "{data}", train = {train} }}
model = {model}
optimizer = {{ lr = 0.05, momentum = 0.9 }}
train = {{ epochs = {epochs}, eval = {{ train = {eval}, test = {eval} }} }}

[[intervention]]
name = "random-labels"
role = "data"
set = {{ "data.labels.random" = 1.0 }}

[[probe]]
name = "path"
kind = "path"
alphas = {alphas}
splits = {{ train = {eval}, test = {eval} }}

[[probe]]
name = "layers"
kind = "layers"
alphas = {layers}
splits = {{ train = {eval}, test = {eval} }}
"""
LONG = dict(seeds=12, data="fashion-mnist", train=3000, model='{ name = "lenet5" }',
            epochs=6, eval=1000, alphas=31, layers=7)
SHORT = dict(seeds=4, data="spiral", train=2000, eval=1000, epochs=60, alphas=21,
             model='{ name = "mlp", widths = [64, 64] }', layers=5)

# How a worker's life ends, and how often.
ENDS = {"kill": 4, "segv": 2, "term": 2, "stop": 2, "trial": 1}
LEASE_S, BEAT_MS = 2, 300


class Life:
    """One worker daemon, and when what happens to it."""

    def __init__(self, process, end, at):
        self.process, self.end, self.at = process, end, at
        self.stopped = False


class Chaos:
    def __init__(self, build, out, short):
        self.seed = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 31)))
        self.random = random.Random(self.seed)
        self.shape = SHORT if short else LONG
        self.kill_s = float(os.environ.get("CHAOS_KILL_S", 3 if short else 30))
        self.life = float(os.environ.get("CHAOS_LIFE", 8 if short else 2))
        self.count = int(os.environ.get("CHAOS_WORKERS", 3))
        self.end_s = float(os.environ.get("CHAOS_SECONDS", 120 if short else 1800))
        self.stage = Stage(build, out, "chaos")
        self.lives = []
        self.made = self.retried = self.kills = 0
        self.deaths = dict.fromkeys(ENDS, 0)
        self.begin = time.monotonic()

    def say(self, text):
        print(f"{time.monotonic() - self.begin:7.2f}  {text}", flush=True)

    # ---- the two runs ----

    def write_grid(self):
        self.grid = f"{self.stage.dir}/grid.toml"
        with open(self.grid, "w") as file:
            file.write(GRID.format(**self.shape))

    def undisturbed(self):
        """Its results; sets how long a job takes."""
        kept, self.stage.env["COORD_DIR"] = self.stage.env["COORD_DIR"], \
            f"{self.stage.dir}/undisturbed"
        said = self.stage.coord("run", self.grid, "--workers", "2")
        if said.returncode != 0:
            raise SystemExit(f"chaos: the undisturbed run failed: {said.stderr}")
        results = self.stage.results()
        self.jobs = self.stage.number("SELECT count(*) FROM job")
        self.job_s = float(self.stage.sql("SELECT avg(seconds) FROM result")[0])
        longest = float(self.stage.sql("SELECT max(seconds) FROM result")[0])
        self.say(f"undisturbed: {self.jobs} jobs of {self.job_s:.2f} s (longest"
                 f" {longest:.2f}), {len(results)} rows")
        self.stage.env["COORD_DIR"] = kept
        return results

    # ---- workers ----

    def lifetime(self):
        return self.random.expovariate(1 / (self.life * self.job_s))

    def draw_end(self):
        return self.random.choices(list(ENDS), list(ENDS.values()))[0]

    def new_worker(self):
        self.made += 1
        saves = self.random.choice(["0", "1", "1", "60"])
        process = self.stage.start(
            [self.stage.program("bin/coord-worker"), "--connect", self.stage.endpoint,
             "--slots", "1", "--cache", f"{self.stage.dir}/cache-{self.made % 7}",
             "--key", self.stage.path("keys/worker.key"), "--checkpoint", saves],
            "workers.log")
        return Life(process, self.draw_end(), time.monotonic() + self.lifetime())

    def trial_of(self, process):
        pid = process.pid
        try:
            return int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])
        except (OSError, IndexError):
            return None

    def end_life(self, life):
        """What was drawn for it happens; whether it goes on."""
        now = time.monotonic()
        self.deaths[life.end] += 1
        self.say(f"{life.end} worker {life.process.pid}")
        if life.end == "trial":
            trial = self.trial_of(life.process)
            if trial:
                os.kill(trial, self.random.choice([signal.SIGSEGV, signal.SIGKILL]))
        elif life.end == "stop":
            life.process.send_signal(signal.SIGSTOP)
            life.stopped = True
            life.at = now + LEASE_S * self.random.uniform(0.2, 2.5)
            return True
        else:
            life.process.send_signal({"kill": signal.SIGKILL, "segv": signal.SIGSEGV,
                                      "term": signal.SIGTERM}[life.end])
            return False
        life.end, life.at = self.draw_end(), now + self.lifetime()
        return True

    def wake(self, life):
        life.process.send_signal(signal.SIGCONT)
        life.stopped = False
        life.end, life.at = self.draw_end(), time.monotonic() + self.lifetime()

    def turn_workers(self):
        now = time.monotonic()
        for life in list(self.lives):
            ended = life.process.poll() is not None
            if not ended and life.stopped and now >= life.at:
                self.wake(life)
            elif not ended and now >= life.at:
                ended = not self.end_life(life)
            if ended:
                self.lives.remove(life)
        while len(self.lives) < self.count:
            self.lives.append(self.new_worker())

    # ---- the coordinator ----

    def serve(self):
        self.stage.serve("--lease", str(LEASE_S), "--beat", str(BEAT_MS))

    def turn_coordinator(self):
        if time.monotonic() < self.kill_at:
            return
        self.stage.end(self.stage.server, signal.SIGKILL)
        self.kills += 1
        away = self.random.uniform(0, 2)
        self.say(f"coordinator killed, away for {away:.2f} s")
        back = time.monotonic() + away
        while time.monotonic() < back:
            self.turn_workers()
            time.sleep(0.05)
        self.serve()
        self.kill_at = time.monotonic() + self.kill_s

    # ---- until the end ----

    def retry_failed(self):
        failed = self.stage.number(
            "SELECT count(*) FROM job WHERE state IN ('failed', 'cancelled')")
        if failed:
            causes = self.stage.sql("SELECT cause, count(*) FROM job"
                                    " WHERE state = 'failed' GROUP BY cause")
            self.say(f"retry by hand: {failed} jobs ({'; '.join(causes)})")
            self.retried += failed
            self.stage.coord("retry", "all")

    def is_over(self):
        left = self.stage.sql("SELECT count(*) FROM job WHERE state IN"
                              " ('waiting', 'ready', 'running')")
        if left != ["0"]:
            return False
        self.retry_failed()
        return self.stage.number(
            "SELECT count(*) FROM job WHERE state = 'done'") == self.jobs

    def disturbed(self):
        self.serve()
        self.kill_at = time.monotonic() + self.kill_s
        if self.stage.coord("submit", self.grid).returncode != 0:
            raise SystemExit("chaos: the grid was not taken")
        begin = look_at = time.monotonic()
        while True:
            self.turn_workers()
            self.turn_coordinator()
            if time.monotonic() >= look_at:
                if self.is_over():
                    break
                look_at = time.monotonic() + 1
            if time.monotonic() > begin + self.end_s:
                raise SystemExit(f"chaos: not over after {self.end_s:.0f} s; see"
                                 f" {self.stage.out}")
            time.sleep(0.02)
        self.say(f"over after {time.monotonic() - begin:.0f} s")
        for life in self.lives:
            life.process.send_signal(signal.SIGCONT)
            self.stage.end(life.process)

    def tell(self):
        causes = self.stage.sql("SELECT iif(cause = '', state, cause), count(*)"
                                " FROM attempt GROUP BY 1 ORDER BY 2 DESC")
        self.say(f"{self.made} workers; ends: {self.deaths}; coordinator killed"
                 f" {self.kills} times")
        self.say(f"attempts: {'; '.join(causes)}; retried by hand {self.retried}")

    def run(self):
        self.say(f"SEED={self.seed}")
        try:
            self.write_grid()
            before = self.undisturbed()
            self.disturbed()
            self.tell()
            same = self.stage.results() == before
            held, row = self.stage.invariants()
            results = self.stage.number("SELECT count(*) FROM result")
            self.say(f"results {results} of {self.jobs}, invariants {row},"
                     f" {'the same bytes' if same else 'OTHER BYTES'}")
            good = same and held and results == self.jobs and before
        finally:
            self.stage.close()
        print(f"chaos: SEED={self.seed} {'passed' if good else 'FAILED'}")
        return good


def main():
    if len(sys.argv) < 3 or sys.argv[3:] not in ([], ["--short"]):
        raise SystemExit(__doc__)
    return Chaos(sys.argv[1], sys.argv[2], bool(sys.argv[3:])).run()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
