"""Processes of a benchmark: started, measured from /proc, and ended."""

import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process:
    """A child with its log in a file."""

    def __init__(self, name, argv, folder, **popen):
        self.name = name
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.started = time.monotonic()
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stderr=log,
                stdout=popen.pop("stdout", log), **popen)

    def fail(self, what):
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name}: {what}\n{tail}")

    def wait_for_http(self, url, seconds=60, pause=0.002):
        """Until `url` answers 200; returns the seconds since the start."""
        while time.monotonic() - self.started < seconds:
            if self.popen.poll() is not None:
                self.fail(f"ended with {self.popen.returncode}")
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return time.monotonic() - self.started
            except (urllib.error.URLError, OSError):
                time.sleep(pause)
        self.fail(f"{url} did not answer 200 within {seconds} s")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()

    def pids(self):
        """Its own and those of its descendants."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        found = [self.popen.pid]
        for pid in found:
            found += [child for child, parent in parents.items()
                      if parent == pid]
        return found


class Cpu:
    """CPU seconds that processes used since it was made."""

    def __init__(self, processes):
        self.pids = [pid for process in processes for pid in process.pids()]
        self.before = self._read()

    def _read(self):
        ticks = nanoseconds = 0
        for pid in self.pids:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
            fields = stat.rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                try:
                    nanoseconds += int(
                        (task / "schedstat").read_text().split()[0])
                except OSError:
                    pass  # a thread that ended meanwhile
        return ticks / TICKS_PER_SECOND, nanoseconds / 1e9

    def seconds(self):
        # utime + stime are exact but for their unit of 10 ms; schedstat is in
        # nanoseconds but loses threads that ended. So: the fine one, unless
        # the coarse one shows that something is lost.
        ticks, nanoseconds = (after - before for after, before
                              in zip(self._read(), self.before))
        lost = ticks > 1.03 * nanoseconds + 0.03 * len(self.pids)
        return ticks if lost or nanoseconds <= 0 else nanoseconds


def resident_bytes(processes):
    """Of all processes with their descendants."""
    return sum(
        int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
        for process in processes for pid in process.pids()) * PAGE_BYTES
