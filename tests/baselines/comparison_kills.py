"""Kills workers and commands of comparisons at random moments, and looks at what that costs.

`python tests/baselines/comparison_kills.py 300` prints a line of figures for docs/reliability.md. A comparison is
started again and again until it has ended, while its processes are ended by SIGKILL: workers at random moments of
their lives (importing, idle, at work, in the middle of an answer), and the command itself. At its end it must be what
it is without any kill.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

STUDY = """
import sys
from evoniche_baselines.compare import compare
if __name__ == "__main__":
    result = compare(["max-sat:variables=30", "niches"], ["m2n2", "pymoo-ga", "random-search"], runs=4,
                     evaluations=6000, jobs=2, retries=50, folder=sys.argv[1], progress=False)
    assert not result.missing, result.missing
    assert not result.failed, result.failed
    result.final[result.final["metric"] != "seconds"].to_csv(sys.argv[2], index=False)
"""


def children(pid):
    """The worker processes of a process."""
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(line.split()[0]) for line in found.splitlines() if "spawn_main" in line]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Trial:
    """Comparisons in a folder, and what was counted."""

    def __init__(self, folder, seed):
        self.folder, self.rng = Path(folder), random.Random(seed)
        self.script = self.folder / "study.py"
        self.script.write_text(STUDY)
        self.workers = self.commands = self.ended = self.orphans = self.finished = self.different = 0

    def start(self, name):
        return subprocess.Popen([sys.executable, self.script, self.folder / name, self.folder / f"{name}.csv"],
                                stderr=subprocess.PIPE, text=True)

    def killed_until_it_ends(self, name, kills):
        """Run one comparison to its end; each kill is of a worker, or sometimes of the command."""
        left = kills
        while True:
            process, mine = self.start(name), False
            known = set()
            while process.poll() is None:
                time.sleep(self.rng.expovariate(1 / 0.7))
                known.update(there := children(process.pid))
                if not left or process.poll() is not None:
                    continue
                if self.rng.random() < 0.2:
                    process.kill()
                    self.commands, mine = self.commands + 1, True
                    left -= 1
                elif there:
                    os.kill(self.rng.choice(there), signal.SIGKILL)
                    self.workers += 1
                    left -= 1
            error = process.communicate()[1]
            time.sleep(0.3)
            self.orphans += sum(alive(pid) for pid in known)
            if process.returncode == 0:
                return
            if not mine:
                self.ended += 1
                print(error, file=sys.stderr)


def main(kills, seed=0):
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(folder, seed)
        trial.killed_until_it_ends("whole", 0)
        whole = pd.read_csv(trial.folder / "whole.csv")
        while trial.workers + trial.commands < kills:
            name = f"killed-{trial.finished}"
            trial.killed_until_it_ends(name, 12)
            trial.finished += 1
            trial.different += not pd.read_csv(trial.folder / f"{name}.csv").equals(whole)
        print(f"{trial.workers} workers and {trial.commands} commands killed; {trial.ended} comparisons ended by the "
              f"kill of a worker; {trial.orphans} workers lived on; {trial.finished} comparisons finished, of which "
              f"{trial.different} differ")
        return trial


if __name__ == "__main__":
    done = main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.exit(bool(done.ended or done.orphans or done.different))
