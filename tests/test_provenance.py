"""Where results are from, what their rules took, what the store saved, and the graph of the rules."""

import os
import re
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT, STUB_VARIABLES, lay_out_stubs, snakemake
from snakemake.benchmark import BenchmarkRecord, write_benchmark_records
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence
from store_entries import provide

from memprune.disk import sha256_of
from memprune.planning import paths
from memprune.report.benchmark_files import read_benchmark
from memprune.report.jobs_behind import jobs_behind, place_of_record
from memprune.report.provenance import provenance
from memprune.report.rule_costs import rule_costs
from memprune.report.rule_drawing import draw_rules
from memprune.report.rule_graph import RuleGraph, rule_graph
from memprune.report.saved_seconds import COLUMNS, saved_seconds
from memprune.store import entries, roots
from memprune.store.records import read_record, write_record

RESULTS = Path("results/e")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """A folder with a store in its results, and no result."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMPRUNE_STORE", "results/.store")
    RESULTS.mkdir(parents=True)
    return tmp_path


def made_by(
    rule: str, name: str, inputs: list[str], outputs: list[str], benchmark: str | None = None
) -> None:
    """Have Snakemake record a job, and its benchmark as a row of a file."""
    log = RESULTS / "logs" / rule / f"{name}.log"
    persistence = FilePersistence(path=Path.cwd() / ".snakemake", nolock=True)
    for output in outputs:
        record = MetadataRecord()
        record.rule, record.log, record.input = rule, [str(log)], inputs
        persistence._write_record(output, record)
    if benchmark is not None:
        file = Path(paths.benchmark(str(log)))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(benchmark)


def measured(seconds: float, memory: float | None = None, cpu: float | None = None) -> str:
    """A benchmark file as Snakemake writes it; without `memory`, of a job that it took no sample of."""
    record = BenchmarkRecord(running_time=seconds, max_rss=memory, max_vms=memory, cpu_usage=0, cpu_time=cpu)
    record.max_uss = record.max_pss = record.io_in = record.io_out = memory
    record.data_collected = memory is not None
    write_benchmark_records([record], "one.tsv", False)
    return Path("one.tsv").read_text()


def stored(kind: str, output: Path, seconds: float | None, **determinants: object) -> str:
    """A result in the store, whose entry says that computing it took so many seconds; its name there."""
    determinants = {"of": str(output)} | determinants
    entries.provide(kind, determinants, lambda target: (target / "file").write_text("1"), {"file": output})
    name = f"{kind}/{entries.digest(determinants)}"
    place = entries.folder() / name / entries.ENTRY
    recorded = read_record(place) | {"seconds": seconds}
    write_record(place, {key: value for key, value in recorded.items() if value is not None})
    return name


@pytest.mark.parametrize("size", [10, entries.COPIED + 1])
def test_a_stored_result_is_from_its_entry_and_as_old(size):
    file = RESULTS / "tables/a.csv"
    provide(os.urandom(size), file)
    (entry,) = entries.all_entries()
    os.utime(entries.folder() / entry.name / entries.ENTRY, (1e9, 1e9))
    (row,) = provenance(RESULTS, [file]).to_dict("records")
    assert row == {
        "file": "tables/a.csv",
        "sha256": sha256_of(file),
        "entries": [entry.name],
        "made": "2001-09-09T01:46:40+00:00",
    }


@pytest.mark.parametrize("size", [10, entries.COPIED + 1])
def test_a_result_from_several_entries_has_all_of_them(size):
    names = [stored("thing", RESULTS / letter, 1.0) for letter in "ab"]
    file = RESULTS / "c"
    file.write_bytes(b"c" * size)
    entries.record(file, names)
    (row,) = provenance(RESULTS, [file]).to_dict("records")
    assert (row["sha256"], row["entries"]) == (sha256_of(file), names)


def test_what_the_store_does_not_tell_is_null():
    changed, foreign, missing = (RESULTS / name for name in ("changed", "foreign", "missing"))
    provide(b"1", changed)
    changed.write_text("2")
    foreign.write_text("3")
    os.utime(foreign, (1e9, 1e9))
    rows = provenance(RESULTS, [changed, foreign, missing]).set_index("file")
    assert list(rows.sha256) == [sha256_of(changed), sha256_of(foreign), None]
    assert list(rows.entries) == [None, None, None]
    assert rows.made["foreign"] == "2001-09-09T01:46:40+00:00"
    assert rows.made["missing"] is None


def test_without_its_store_a_small_result_has_its_content_and_a_large_one_is_gone():
    small, large = RESULTS / "small", RESULTS / "large"
    provide(b"1", small, {"a": 1})
    provide(b"1" * (entries.COPIED + 1), large, {"a": 2})
    entries.folder().rename("away")
    rows = provenance(RESULTS, [small, large]).set_index("file")
    assert list(rows.sha256) == [sha256_of(small), None]
    assert list(rows.entries) == [None, None]
    assert datetime.fromisoformat(rows.made["small"]).timestamp() == int(small.stat().st_mtime)
    assert rows.made["large"] is None


def test_of_two_hosts_that_made_a_result_the_one_that_made_this_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "shared"))
    file = RESULTS / "a"
    for host, content in (("one", b"1"), ("two", b"2")):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        provide(content, file, {"host": host})
    monkeypatch.setattr("socket.gethostname", lambda: "three")
    (row,) = provenance(RESULTS, [file]).to_dict("records")
    assert row["entries"] == [f"thing/{entries.digest({'host': 'two'})}"]
    assert len(roots.of_result(entries.folder(), file)) == 2


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300))
def test_records_lie_where_snakemake_has_them(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "records"
    persistence = FilePersistence(path=folder / ".snakemake", nolock=True)
    expected = persistence._record_path(folder / ".snakemake/metadata", name)
    assert place_of_record(folder, name) == Path(expected)


def test_costs_are_summed_by_rule_and_what_is_not_measured_is_counted():
    findings, made = paths.findings(RESULTS), [f"results/e/{letter}" for letter in "abcde"]
    made_by("write_findings", "all", made, [findings], measured(0.25, 3, 0))
    made_by("evaluate", "a", [], [made[0], "results/e/a2"], measured(10, 200, 15))
    made_by("evaluate", "b", [], [made[1]], measured(20, 100, 30))
    made_by("evaluate", "c", [], [made[2]], "")
    made_by("evaluate", "d", [], ["results/e/e"], measured(3))
    made_by("measure", "d", [made[0]], [made[3]], "s\th:m:s\nnan\t")
    made_by("evaluate", "of an earlier configuration", [], ["results/e/x"], measured(1000, 1, 1))
    costs = rule_costs(RESULTS)
    assert list(costs.rule) == ["evaluate", "write_findings", "measure"]
    expected = [[4, 1, 33, 20, 200, 45], [1, 0, 0.25, 0.25, None, None], [1, 1, None, None, None, None]]
    pd.testing.assert_frame_equal(
        costs.drop(columns="rule").astype(float),
        pd.DataFrame(expected, columns=costs.columns[1:], dtype=float),
    )


@pytest.mark.parametrize(
    "content",
    ["", "s\n", "s\tmax_rss\tcpu_time\n", "s\tmax_rss\tcpu_time\n1\t2\n", "s\tmax_rss\tcpu_time\n-1\t2\t3\n",
     "s\tmax_rss\tcpu_time\ninf\t2\t3\n", "s\tmax_rss\tcpu_time\nNA\t2\t3\n", "\x00\n\x00\n"],
)  # fmt: skip
def test_a_damaged_benchmark_file_is_none(content):
    Path("one.tsv").write_text(content)
    assert read_benchmark(Path("one.tsv")) is None
    Path("one.tsv").write_bytes(content.encode() + b"\xff")
    assert read_benchmark(Path("one.tsv")) is None


def test_without_records_there_are_no_jobs():
    assert jobs_behind(RESULTS) == []
    assert rule_graph(RESULTS) == RuleGraph({}, [])
    assert draw_rules(rule_graph(RESULTS)) == ""
    assert rule_costs(RESULTS).empty
    assert list(saved_seconds(RESULTS)) == COLUMNS


def experiment(*scored: tuple, **benchmarks: float | None) -> None:
    """Findings from evaluations, each a name with its entries: kind, seconds and determinants."""
    outputs = []
    for name, *kinds in scored:
        output = RESULTS / f"scores/{name}"
        parts = [
            stored(kind, RESULTS / f"of {name} {number}", seconds, **about)
            for number, (kind, seconds, about) in enumerate(kinds)
        ]
        output.parent.mkdir(exist_ok=True)
        output.write_text(name)
        entries.record(output, parts)
        outputs.append(str(output))
        taken = benchmarks[name]
        made_by("evaluate", name, [], [str(output)], None if taken is None else measured(taken))
    made_by("write_findings", "all", outputs, [paths.findings(RESULTS)])


def test_the_store_saved_what_computing_took_less_the_jobs():
    gpu, cpu = {"device": "cuda"}, {"device": "cpu"}
    experiment(
        ("one", ("memorization", 90.0, gpu), ("perplexity", 10.0, gpu)),
        ("two", ("memorization", 50.0, gpu)),
        ("three", ("memorization", 5.0, cpu)),
        ("four", ("level", 7.0, {"dense": gpu})),
        one=20, two=60, three=6, four=1,
    )  # fmt: skip
    assert saved_seconds(RESULTS).to_numpy().tolist() == [
        ["level", "cuda", "GPU seconds", 1, 7, 1, 6],
        ["memorization", "cpu", "seconds", 1, 5, 6, 0],
        ["memorization", "cuda", "GPU seconds", 2, 140, 78, 62],
        ["perplexity", "cuda", "GPU seconds", 1, 10, 2, 8],
    ]


def test_what_is_not_known_of_all_is_null():
    """Of an entry that an older version made, and of a job without a benchmark."""
    experiment(
        ("one", ("memorization", 90.0, {}), ("perplexity", None, {})), ("two", ("memorization", 5.0, {})),
        one=20, two=None,
    )  # fmt: skip
    saved = saved_seconds(RESULTS).set_index("kind")
    assert list(saved.entries) == [2, 1]
    assert saved.computed_seconds["memorization"] == 95
    assert pd.isna(saved.job_seconds["memorization"])
    assert pd.isna(saved.computed_seconds["perplexity"])
    assert saved.job_seconds["perplexity"] == 10
    assert saved.saved_seconds.isna().all()


def test_every_rule_that_has_a_log_has_a_benchmark_where_it_is_looked_for():
    text = "".join(path.read_text() for path in sorted(ROOT.glob("rules/*.smk")))
    logs = re.findall(
        r'^    log:\n        f?"(.*)",\n(?:    benchmark:\n        f?"(.*)"\n)?', text, re.MULTILINE
    )
    assert len(logs) == len(re.findall(r"^    log:", text, re.MULTILINE)) > 20
    expected = {log: paths.benchmark(log) for log, _ in logs}
    expected["results/logs/train_suite.log"] = "results/logs/train_suite.tsv"
    assert dict(logs) == expected


@pytest.mark.slow
def test_the_graph_is_snakemakes_own_and_benchmarks_make_nothing_stale(project):
    lay_out_stubs(project)

    def run(*arguments: str) -> str:
        given = ("--configfile", "tiny.yaml", *arguments)
        done = snakemake(project, *given, snakefile=project / "Snakefile", **STUB_VARIABLES)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("--", "findings")
    graph = rule_graph(Path("results/tiny"))
    drawn = run("--rulegraph", "dot", "--", "findings")
    names = dict(re.findall(r'^\s*(\d+)\[\s*label = "(\w+)"', drawn, re.MULTILINE))
    edges = {(names[end], names[start]) for start, end in re.findall(r"(\d+) -> (\d+)", drawn)}
    assert set(graph.edges) == {edge for edge in edges if edge[0] != "findings"}
    assert set(graph.jobs) == set(names.values()) - {"findings"}
    assert graph.jobs["score_shards"] > graph.jobs["evaluate"] == 3

    costs = rule_costs(Path("results/tiny"))
    assert dict(zip(costs.rule, costs.jobs, strict=True)) == graph.jobs
    assert (costs.unmeasured == 0).all()
    assert (costs.seconds > 0).all()

    benchmarks = [
        *Path("results/tiny/benchmarks").rglob("*.tsv"),
        Path("results/mini-pile/build_mini_pile.tsv"),
    ]
    assert len(benchmarks) == sum(graph.jobs.values())
    for number, path in enumerate(benchmarks):
        path.unlink() if number % 2 else os.utime(path, (1, 1))
    assert "Nothing to be done" in run("--", "findings")
