"""A soak: thousands of jobs of a small experiment with kills, edits, cleanings and damage at random.

After each step the store and the results must be consistent. After every few steps a plain `snakemake` must
come to its end, a second one must find nothing to do, and the results must be, byte for byte, those of the
same configuration, code and weights from scratch. `make soak` runs it for half an hour: docs/reliability.md.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from consistency import Damages, unrecorded, violations
from disturbances import KILLS, all_results, damage_one, delete_records, delete_results
from experiment_states import Project, contents
from forked_jobs import Jobs
from workflow_runs import Run, script, wait_for_quiet

CHECKED = 4  # steps from one undisturbed run to the next
# The end of a job's log, which is shown where that is no line for the user.
UNEXPLAINED = re.compile(
    r"^results/\S+\.log:\n(?:  .*\n)*?(?P<last>  \S*(?:Error|Exception)\b.*)$", re.MULTILINE
)


class ViolatedError(Exception):
    """What was promised and does not hold."""


class Soak:
    """An experiment with its store, and what was done to it so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.chance = folder, seed, random.Random(seed)
        self.project = Project(folder / "project")
        self.scratch = Project(folder / "scratch")
        self.jobs = Jobs(folder)
        os.chdir(self.project.folder)
        # A store inside of the results, with relative paths, or one that projects share, with absolute ones.
        self.store = Path("results/.store") if seed % 2 else folder / "store"
        self.given_store = "" if seed % 2 else str(self.store)
        self.damages, self.counts = Damages(self.store), Counter()
        self.expected: dict[tuple, dict[str, str]] = {}
        self.scratch_jobs, self.damaged_since, self.step, self.outputs = 0, 0, 0, 0

    def close(self) -> None:
        self.jobs.close()

    def run(self, *arguments: str, project: Project | None = None, store: str | None = None) -> Run:
        """Start snakemake."""
        self.outputs += 1
        return Run(
            self.jobs,
            (project or self.project).folder,
            self.given_store if store is None else store,
            *arguments,
            output=self.folder / f"output-{self.outputs % 50}.txt",
        )

    def disturb(self) -> str:
        """One step: edits, damage and cleanings, then a run or two, and what happens to them."""
        done, chance = [], self.chance
        if chance.random() < 0.65:
            done.append(self.edit())
        for _ in range(chance.choice([0, 0, 1, 3])):
            done.append(self.damage())
        if chance.random() < 0.2:
            done.append(delete_results(chance))
        if chance.random() < 0.08:
            done.append(delete_records(chance))
        if chance.random() < 0.3:
            done.append(self.clean())
        runs = chance.choice([["tiny"], ["tiny"], ["tiny"], ["second"], ["tiny", "second"], ["tiny", "tiny"]])
        before = self.jobs.begun().total()
        started = [self.run("--configfile", f"{name}.yaml", "--nolock") for name in runs]
        done.append(f"run {' and '.join(runs)}")
        harmless = runs != ["tiny", "tiny"] and not self.damaged_since
        for _ in range(chance.choice([1, 1, 2])):
            before += chance.randrange(2, 12)
            self.wait_for_job(before, started)
            time.sleep(chance.random() * 0.3)
            happening = chance.choice([*[self.kill] * 5, self.clean, self.edit, self.damage, self.nothing])
            done.append(f"job {before}: {happening(chance.choice(started))}")
            harmless &= happening in (self.clean, self.nothing)
        for run in started:
            status, output = run.wait()
            self.counts["runs disturbed"] += 1
            self.counts["runs that stopped"] += status != 0
            unexplained = [match["last"].strip() for match in UNEXPLAINED.finditer(output)]
            self.counts["jobs that failed unexplained"] += len(unexplained)
            if status and harmless:
                raise ViolatedError(f"{'; '.join(done)}: a run failed:\n{output[-3000:]}")
            done.append(f"exit {status}{''.join(f' ({line})' for line in unexplained)}")
        wait_for_quiet(self.jobs)
        return "; ".join(filter(None, done))

    def wait_for_job(self, number: int, runs: list[Run]) -> None:
        """Wait until so many jobs have begun or the runs have ended."""
        while self.jobs.begun().total() < number and any(run.process.poll() is None for run in runs):
            time.sleep(0.02)

    def edit(self, _: Run | None = None) -> str:
        self.counts["edits"] += 1
        self.project.become(self.project.state.changed(self.chance))
        return f"edited: {self.project.state}"

    def damage(self, run: Run | None = None) -> str:
        self.counts["damages while a run goes on" if run else "damages"] += 1
        self.damaged_since += 1
        return damage_one(self.store, self.chance, self.damages)

    def clean(self, run: Run | None = None) -> str:
        self.counts["cleanings while a run goes on" if run else "cleanings"] += 1
        if not run and self.chance.random() < 0.3:
            return self.by_hand("recover")
        return self.by_hand("list_store", "--delete-unused", 0)

    def kill(self, run: Run) -> str:
        whom, how = self.chance.choice(KILLS)
        killed = run.kill(whom, how)
        self.counts["kills"] += killed != "nobody"
        return f"{how.name} to {killed}"

    def nothing(self, _: Run) -> str:
        return ""

    def by_hand(self, name: str, *words: object) -> str:
        """Run a script to its end; it may refuse in one line."""
        status, output = script(self.jobs, self.project.folder, self.given_store, name, *words)
        if "Traceback" in output or status not in (0, 1):
            raise ViolatedError(f"{name} failed:\n{output}")
        return f"{name}: {output.splitlines()[-1] if output else status}"

    def check(self) -> None:
        """Raise ViolatedError unless the store and the results are consistent."""
        if found := violations(self.store, all_results(), self.damages):
            raise ViolatedError("\n".join(found[:10]))

    def settle(self, experiment: str = "tiny") -> None:
        """An undisturbed run must bring all to what it is from scratch."""
        arguments = ("--configfile", f"{experiment}.yaml")
        allowed = self.damaged_since  # damage that shows where it is read stops a run, once each
        while True:
            status, output = self.run(*arguments).wait()
            if status == 0:
                break
            if "LockException" in output:
                self.by_hand("recover")
                self.counts["locks"] += 1
            elif allowed and re.search(r"^error: .*(damaged|gone|cannot be read)", output, re.MULTILINE):
                allowed -= 1
                self.counts["stops at damage"] += 1
            else:
                raise ViolatedError(f"an undisturbed run failed:\n{output[-3000:]}")
        status, output = self.run(*arguments).wait()
        if "Nothing to be done" not in output:
            raise ViolatedError(f"a second run found something to do:\n{output[-3000:]}")
        self.counts["undisturbed runs"] += 2
        self.damaged_since = 0
        self.check()
        self.compare(experiment)

    def compare(self, experiment: str) -> None:
        expected, found = self.from_scratch(experiment), contents(self.project.folder, experiment)
        if wrong := [name for name, content in expected.items() if found.get(name) != content]:
            raise ViolatedError(f"not as from scratch ({self.project.state}): {', '.join(wrong[:10])}")
        if lost := unrecorded(self.store, [Path(name) for name in expected]):
            raise ViolatedError("\n".join(lost[:10]))
        self.counts["comparisons"] += 1

    def from_scratch(self, experiment: str) -> dict[str, str]:
        """The results of the present state, each state's computed once."""
        state = self.project.state
        key = (experiment, experiment == "tiny" and state.configuration, state.code, state.weights)
        if key not in self.expected:
            before = self.jobs.ended().total()
            self.scratch.clear()
            self.scratch.become(state)
            targets = ("tables", "figures", "findings", "--configfile", f"{experiment}.yaml")
            status, output = self.run(*targets, project=self.scratch, store="").wait()
            if status:
                raise ViolatedError(f"a run from scratch failed:\n{output[-3000:]}")
            self.expected[key] = contents(self.scratch.folder, experiment)
            self.scratch_jobs += self.jobs.ended().total() - before
        return self.expected[key]

    def total(self) -> int:
        """The jobs that have ended, but for those of runs from scratch."""
        return self.jobs.ended().total() - self.scratch_jobs

    def report(self) -> str:
        aside = len(list((self.store / "damaged").glob("*")))
        counted = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        endings = ", ".join(f"exit {status}: {n}" for status, n in sorted(self.jobs.ended().items()))
        return (
            f"seed {self.seed}: {self.step} steps, {self.total()} jobs (from scratch: {self.scratch_jobs}, "
            f"{len(self.expected)} states; {endings}); {counted}; set aside now {aside}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30, help="at least so long")
    parser.add_argument("--jobs", type=int, default=2000, help="at least so many")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-")).resolve()
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    end, soak = time.monotonic() + 60 * arguments.minutes, Soak(folder, arguments.seed)
    try:
        soak.settle()
        while time.monotonic() < end or soak.total() < arguments.jobs:
            soak.step += 1
            print(f"seed {soak.seed} step {soak.step} ({soak.total()} jobs): ", end="", flush=True)
            print(soak.disturb(), flush=True)
            soak.check()
            if soak.step % CHECKED == 0:
                soak.settle()
                if soak.chance.random() < 0.4:
                    soak.settle("second")
                print(soak.report(), flush=True)
    except (ViolatedError, TimeoutError) as violated:
        print(f"\nVIOLATED at step {soak.step}: {violated}\n{soak.report()}\n{folder} is kept", flush=True)
        sys.exit(1)
    finally:
        soak.close()
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
