"""A coordinator of a test's own, as a process with a state directory and a port."""

import os
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "../..")
INVARIANTS = os.path.join(TOP, "coordinator/sql/invariants.sql")
RESULTS = os.path.join(TOP, "tests/flow/results.sql")
READY_S = 300


class Stage:
    """BUILD's programs at a new state directory; what they say goes to files in out."""

    def __init__(self, build, out, name):
        os.makedirs(out, exist_ok=True)
        self.build = os.path.abspath(build)
        self.out = out
        self.dir = tempfile.mkdtemp(prefix=f"coord-{name}.")
        self.env = dict(os.environ, COORD_DIR=f"{self.dir}/state",
                        OPENBLAS_NUM_THREADS="1",
                        OPENBLAS_CORETYPE=os.environ.get("OPENBLAS_CORETYPE", "Haswell"))
        self.endpoint = "tcp://127.0.0.1:*"
        self.server = None
        self.processes = []

    def path(self, name):
        return f"{self.dir}/state/{name}"

    def program(self, name):
        return os.path.join(self.build, name)

    def start(self, argv, log, **more):
        with open(f"{self.out}/{log}", "a") as said:
            process = subprocess.Popen(argv, env=self.env, stderr=said, **more)
        self.processes.append(process)
        return process

    def serve(self, *more):
        """Start the coordinator; seconds until it is ready. Later ones take the port of
        the first."""
        begin = time.monotonic()
        self.server = self.start([self.program("bin/coord"), "serve", "--bind",
                                  self.endpoint, *more], "serve.log")
        while not self.is_ready():
            if self.server.poll() is not None or time.monotonic() > begin + READY_S:
                raise SystemExit(f"the coordinator did not start: see {self.out}/serve.log")
            time.sleep(0.01)
        self.endpoint = open(self.path("endpoint")).read().strip()
        return time.monotonic() - begin

    def is_ready(self):
        """A killed one leaves its endpoint file, so the log tells."""
        with open(f"{self.out}/serve.log") as log:
            return any(f"pid={self.server.pid}\n" in line and "ready:" in line
                       for line in log)

    def coord(self, *argv):
        return subprocess.run([self.program("bin/coord"), *argv], env=self.env, text=True,
                              capture_output=True)

    def sql(self, text):
        """Rows as CSV, without the header."""
        return self.coord("--csv", "sql", text).stdout.strip().split("\n")[1:]

    def number(self, text):
        return int((self.sql(text) or ["0"])[0] or 0)

    def invariants(self):
        """Whether they hold, and the row."""
        row = self.sql(open(INVARIANTS).read())
        return bool(row) and set(row[0].split(",")) == {"0"}, row[0] if row else "none"

    def results(self):
        return self.sql(open(RESULTS).read())

    def end(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        process.wait(timeout=120)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        subprocess.run(["rm", "-rf", self.dir], check=False)
