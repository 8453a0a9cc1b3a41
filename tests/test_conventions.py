"""Snakemake's own conventions: its report, the catalogue's layout, use as a module of another workflow."""

import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import ROOT, job_counts, lay_out, snakemake

from memprune.config.experiment import load
from memprune.findings.how_to_read import HOW_TO_READ
from memprune.planning.categories import CATEGORIES

pytestmark = pytest.mark.usefixtures("all_forked")

PAPER = load(ROOT / "config/paper.yaml")
MODULE = """
import yaml

def read(path, **changed):
    with open(path) as file:
        return yaml.safe_load(file) | changed

module {name}:
    snakefile: "{root}/Snakefile"
    config: read("{config}", **{changed})

use rule * from {name} {use}
"""


def outer(folder: Path, config: str, name="memprune", use="", more="", **changed) -> Path:
    """A workflow in `folder` that uses memprune as a module."""
    path = folder / "outer.smk"
    text = path.read_text() if path.exists() else ""
    path.write_text(
        text + MODULE.format(root=ROOT, name=name, config=config, use=use, changed=changed) + more
    )
    return path


def data_of(page: str, name: str) -> dict:
    """What a page of Snakemake's report holds in the script of this name."""
    [text] = re.findall(rf'<script id="{name}">\s*var {name} = (.*);\s*</script>', page)
    return json.loads(text)


def test_the_captions_of_tables_say_how_to_read_them():
    """`make captions` writes them."""
    captions = {path.stem: path.read_text() for path in (ROOT / "report/tables").glob("*.rst")}
    said = {name: sentence.replace("`", "``") + "\n" for name, sentence in HOW_TO_READ.items()}
    assert captions == said


def test_each_table_is_of_one_category():
    assert sorted(table for tables in CATEGORIES.values() for table in tables) == sorted(HOW_TO_READ)


@pytest.mark.slow
def test_the_report_shows_each_figure_table_and_finding_once_with_its_caption(project):
    """Made without a network, by no job."""
    done = snakemake(
        project, "--report", "report.zip", "--configfile", "tiny.yaml", snakefile=project / "Snakefile",
        http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(project / "report.zip") as archive:
        page = archive.read("report/report.html").decode()
        inside = {Path(name).name for name in archive.namelist()} - {"report.html"}
    results = project / "results/tiny"
    wanted = {path.name for path in [*results.glob("tables/*.csv"), *results.glob("figures/*.svg")]}
    assert inside == wanted | {"paper_layout.md", "findings.md"}
    shown = data_of(page, "results")
    assert {Path(path).name for path in shown} == inside | {"report.html"}
    assert all(result["caption"] and result["labels"] for result in shown.values())
    assert "same share of all prunable" in shown["results/tiny/figures/equal_removed.svg"]["caption"]
    assert shown["results/tiny/figures/sparsity_large.svg"]["labels"]["model"] == "large"
    categories = data_of(page, "categories")
    assert set(categories) == {"Findings", *CATEGORIES}
    assert "What pruning makes language models forget" in page


@pytest.mark.slow
def test_the_catalogues_layout_is_that_of_the_workflow():
    catalogue = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert catalogue["usage"]["report"] is True
    assert (ROOT / "config/README.md").exists()
    counts = []
    for snakefile in ("Snakefile", "workflow/Snakefile"):
        config = ROOT / ".test/config/config.yaml"
        done = snakemake(ROOT / ".test", "-n", "--configfile", str(config), snakefile=ROOT / snakefile)
        assert done.returncode == 0, done.stderr
        counts.append(job_counts(done.stdout + done.stderr))
    assert counts[0]["evaluate"] == 2
    assert counts[1] == counts[0] | {"everything": 1}


@pytest.mark.slow
def test_as_a_module_the_paper_has_its_jobs_under_the_outer_workflows_names(tmp_path):
    snakefile = outer(tmp_path, ROOT / "config/paper.yaml", use="as memprune_*")
    done = snakemake(tmp_path, "-n", snakefile=snakefile)
    assert done.returncode == 0, done.stderr
    counts = job_counts(done.stdout + done.stderr)
    variants = sum(len(PAPER.variants(model)) for model in PAPER.models)
    assert all(rule.startswith("memprune_") for rule in counts)
    assert counts["memprune_evaluate"] == counts["memprune_measure"] == variants
    assert counts["memprune_plot_equal_terms"] == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "changed", "line"),
    [
        ("", {"sed": 1}, "error: module memprune: sed: unknown key; nearest known key: seeds; allowed: "),
        (
            '    prefix: "here"\n',
            {},
            "error: module memprune: prefix or replace_prefix: found here/results/",
        ),
    ],
)
def test_as_a_module_a_mistake_is_said_in_one_line(text, changed, line, tmp_path):
    snakefile = outer(tmp_path, ROOT / "config/paper.yaml", **changed)
    snakefile.write_text(snakefile.read_text().replace("\nuse rule", f"{text}\nuse rule"))
    done = snakemake(tmp_path, "-n", snakefile=snakefile)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(line), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_experiments_are_two_modules_of_one_workflow(tmp_path):
    (tmp_path / "resources").symlink_to(ROOT / "resources")
    config = ROOT / ".test/config/config.yaml"
    models = {"tiny": {"path": "resources/tiny-pythia/tiny-pythia-0.6m"}}
    outer(tmp_path, config, name="one", use="as one_*", models=models)
    use = "exclude build_mini_pile, train_suite as other_*"
    more = (
        "rule both:\n    default_target: True\n    input: rules.one_tables.input, rules.other_tables.input\n"
    )
    snakefile = outer(tmp_path, config, name="other", use=use, more=more, experiment="other", models=models)
    done = snakemake(tmp_path, "-n", snakefile=snakefile)
    assert done.returncode == 0, done.stderr
    counts = job_counts(done.stdout + done.stderr)
    assert counts["one_build_mini_pile"] == 1
    assert counts["one_evaluate"] == counts["other_evaluate"] == 2


@pytest.mark.slow
def test_as_a_module_it_runs_to_the_tables_beside_rules_of_the_outer_workflow(tmp_path):
    folder = lay_out(tmp_path)
    rule = """
rule mine:
    default_target: True
    input: rules.memprune_tables.input
    output: "mine.txt"
    shell: "head -1 {input[0]} > {output}"

onerror:
    memprune.onerror()
"""
    model = {"small": {"path": "models/small"}}
    strategy = {"global": {"levels": [0.3]}}
    changed = {"models": model, "strategies": strategy}
    snakefile = outer(folder, "tiny.yaml", use="as memprune_*", more=rule, **changed)
    done = snakemake(folder, snakefile=snakefile)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "mine.txt").read_text().startswith("model,strategy,level")
    table = pd.read_csv(folder / "results/tiny/tables/memorization.csv")
    assert table.strategy.drop_duplicates().to_list() == ["dense", "global"]
    again = snakemake(folder, snakefile=snakefile)
    assert "Nothing to be done" in again.stdout + again.stderr
    (folder / "validation.jsonl").write_bytes(b"PAR1 no JSON\n")
    failed = snakemake(folder, snakefile=snakefile)
    assert failed.stderr.splitlines()[-1].startswith("error: validation.jsonl: not a .jsonl file")
