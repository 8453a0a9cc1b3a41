"""What a run shows on a terminal: a bar per rule with its time left, not Snakemake's lines of each job."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from memprune.jobs.failures import INTERRUPTED

# What the bars say themselves, and what is of use in the log of the whole run alone.
UNSHOWN = {"group_info", "job_started", "progress", "resources_info", "workflow_started"}
UNSHOWN_LINES = ("Assuming unrestricted", "Building DAG", "Group jobs:", "Select jobs", "Using shell:")
WIDTH = 30  # of a bar, less where the terminal leaves no room
PAUSE = 0.25  # seconds between two looks at the time


@dataclass
class Rule:
    """The jobs of a rule: those that run, by their number, with their start; how long those done took."""

    total: int
    running: dict[int, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    began: float | None = None
    at_once: int = 0

    def start(self, job: int, now: float) -> None:
        """Note that a job starts, perhaps once more after it failed."""
        self.failed.discard(job)
        self.running[job] = now
        self.began = now if self.began is None else self.began
        self.at_once = max(self.at_once, len(self.running))

    def finish(self, job: int, now: float) -> None:
        """Note that a job is done."""
        self.seconds.append(now - self.running.pop(job, now))

    def fail(self, job: int) -> None:
        """Note that a job has failed."""
        self.running.pop(job, None)
        self.failed.add(job)

    def left(self, now: float) -> float | None:
        """Seconds until the last job is done, if all take the mean of those that are; None if none is.

        As many are taken to run at one time as do now or, while none does, as did at most.
        """
        if not self.seconds:
            return None
        mean = sum(self.seconds) / len(self.seconds)
        begun = [max(0.0, mean - (now - start)) for start in self.running.values()]
        waiting = max(0, self.total - len(self.seconds) - len(self.failed) - len(begun))
        shared = (sum(begun) + waiting * mean) / (len(begun) or self.at_once or 1)
        return max([shared, *begun])


class Bars(logging.Handler):
    """Shows what Snakemake's own handler of a terminal would: jobs as bars, all else as lines above them.

    `words` says in words what the jobs of a rule do.
    """

    def __init__(self, plain: logging.StreamHandler, words: Callable[[str], str]) -> None:
        super().__init__()
        self.plain, self.words = plain, words
        self.filters = plain.filters
        self.rules: dict[str, Rule] = {}
        self.rule_of: dict[int, str] = {}
        self.total, self.done, self.began = 0, 0, 0.0
        self.interrupted = False
        self.console = Console(file=plain.stream, no_color=plain.nocolor or None, highlight=False)
        # Rich's own thread would write beside other threads' lines, and erase some of them: see `tick`.
        self.live = Live(get_renderable=self.table, console=self.console, transient=True, auto_refresh=False)
        self.ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        event = str(getattr(record, "event", None))
        try:
            if show := getattr(self, f"show_{event}", None):
                show(record)
            elif event not in UNSHOWN:
                self.show_line(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self.ended.set()
        self.live.stop()
        super().close()

    def tick(self) -> None:
        """Keep the times true, and write only while no other thread does: all hold this handler's lock."""
        while not self.ended.wait(PAUSE):
            with self.lock:
                self.live.refresh()

    def show_run_info(self, record: logging.LogRecord) -> None:
        self.rules = {name: Rule(jobs) for name, jobs in record.stats.items() if name != "total"}
        self.total, self.began = record.stats["total"], time.monotonic()
        self.live.start(refresh=True)
        threading.Thread(target=self.tick, daemon=True).start()

    def show_job_info(self, record: logging.LogRecord) -> None:
        self.rule_of[record.jobid] = record.rule_name
        self.rules.setdefault(record.rule_name, Rule(1))
        if record.shellcmd:  # else it is a target, without work of its own
            self.rules[record.rule_name].start(record.jobid, time.monotonic())

    def show_job_finished(self, record: logging.LogRecord) -> None:
        name, now = self.rule_of[record.job_id], time.monotonic()
        rule = self.rules[name]
        rule.finish(record.job_id, now)
        self.done += 1
        if len(rule.seconds) == rule.total and rule.began is not None:
            jobs = f" ({rule.total} jobs)" if rule.total > 1 else ""
            self.say(f"✓ {self.words(name)}{jobs}: {as_time(now - rule.began)}", "green")

    def show_job_error(self, record: logging.LogRecord) -> None:
        self.rules[record.rule_name].fail(record.jobid)
        if not (record.indent or self.interrupted):  # else its group has failed, or no job by itself
            self.say(f"✗ {self.words(record.rule_name)} failed; log: {', '.join(record.log)}", "bold red")

    def show_group_error(self, record: logging.LogRecord) -> None:
        self.say(f"✗ A group of {len(record.job_error_info)} jobs failed", "bold red")

    def show_error(self, record: logging.LogRecord) -> None:
        # That a command failed is said with its log.
        if "CalledProcessError" not in record.getMessage():
            self.show_line(record)

    def show_line(self, record: logging.LogRecord) -> None:
        text = self.plain.format(record)
        self.interrupted |= text.startswith(INTERRUPTED)
        if text and text != "None" and not text.startswith(UNSHOWN_LINES):
            self.say(text, "red" if record.levelno >= logging.ERROR else "")

    def say(self, text: str, style: str) -> None:
        """A line that stays, above the bars; the terminal breaks it, so that it is one line when copied."""
        self.console.print(Text(text, style), soft_wrap=True)

    def table(self) -> Table:
        """The rules that have begun and have not ended, one a line, and all jobs together."""
        now = time.monotonic()
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column()
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True)
        for name, rule in self.rules.items():
            done = len(rule.seconds)
            if rule.began is None or done == rule.total:
                continue
            left = rule.left(now)
            said = f"for {as_time(now - rule.began)}" if left is None else f"{as_time(left)} left"
            if rule.failed:
                said += f", [red]{len(rule.failed)} failed[/red]"
            table.add_row(self.words(name), bar(done, rule.total), f"{done}/{rule.total}", said)
        spent = f"for {as_time(now - self.began)}"
        counts = f"{self.done}/{self.total}"
        table.add_row("All jobs", bar(self.done, self.total), counts, spent, style="bold")
        return table


def bar(done: int, total: int) -> ProgressBar:
    colours = {"complete_style": "cyan", "finished_style": "green"}
    return ProgressBar(total=total, completed=done, width=WIDTH, **colours)


def as_time(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: 1:02:03, or 2:03 within an hour."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
