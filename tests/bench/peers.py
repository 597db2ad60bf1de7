"""peers.py dask|beanstalkd JOBS: null jobs per second of one peer, on the last line.

Exit status 3: it is not installed.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time


def null(number):
    return number


def dask(jobs):
    """No-op tasks through a scheduler and two worker processes, without keys."""
    try:
        from distributed import Client, wait
    except ImportError:
        sys.exit(3)
    client = Client(n_workers=2, threads_per_worker=1, dashboard_address=None)
    wait(client.map(null, range(100), pure=False))
    begin = time.monotonic()
    wait(client.map(null, range(100, 100 + jobs), pure=False))
    seconds = time.monotonic() - begin
    client.close()
    return jobs / seconds


class Queue:
    """A connection to beanstalkd; commands go out many at a time."""

    def __init__(self, port):
        for _ in range(200):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.01)
        else:
            sys.exit("beanstalkd does not answer")
        self.lines = self.socket.makefile("rb")

    def many(self, commands, word):
        self.socket.sendall(b"".join(commands))
        answers = []
        for _ in commands:
            answer = self.lines.readline().split()
            if answer[0] != word:
                sys.exit(f"beanstalkd: {answer}")
            if word == b"RESERVED":
                self.lines.read(int(answer[2]) + 2)
            answers.append(answer)
        return answers


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def beanstalkd(jobs):
    """put, reserve and delete with a log that is synced at every operation."""
    program = shutil.which("beanstalkd", path=os.environ["PATH"] + ":/usr/bin:/usr/sbin")
    if not program:
        sys.exit(3)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [program, "-l", "127.0.0.1", "-p", str(port), "-b", folder, "-f0"])
        try:
            queue = Queue(port)
            begin = time.monotonic()
            for first in range(0, jobs, 256):
                count = min(256, jobs - first)
                queue.many([b"put 0 0 60 4\r\nnull\r\n"] * count, b"INSERTED")
                taken = queue.many([b"reserve\r\n"] * count, b"RESERVED")
                queue.many([b"delete %s\r\n" % answer[1] for answer in taken], b"DELETED")
            return jobs / (time.monotonic() - begin)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    print({"dask": dask, "beanstalkd": beanstalkd}[sys.argv[1]](int(sys.argv[2])))
