"""The workflow with screening: the numbers of float32, and tables and a report that say what was screened."""

import pandas as pd
import pytest
from project import change_config, run

pytestmark = pytest.mark.usefixtures("forked_jobs")
TABLES = "results/tiny/tables"


def test_a_screened_experiment_extracts_what_float32_does_and_says_what_was_screened(project):
    names = ("memorization", "memorization_non_members", "paired", "perplexity")
    before = {name: pd.read_csv(project / TABLES / f"{name}.csv") for name in names}
    change_config(evaluation__precision="screened")(project)
    (project / "cpuinfo").write_text("flags : fpu avx512_bf16\n")
    choice = project / "workflow_scripts/memprune/devices/choice.py"
    own = f'CPU = Path("{project / "cpuinfo"}")'
    choice.write_text(choice.read_text().replace('CPU = Path("/proc/cpuinfo")', own))
    run(project)
    after = {name: pd.read_csv(project / TABLES / f"{name}.csv") for name in (*names, "screening")}
    pd.testing.assert_frame_equal(after["perplexity"], before["perplexity"])
    pd.testing.assert_frame_equal(after["paired"], before["paired"])
    for name in names[:2]:
        assert after[name].extracted.tolist() == before[name].extracted.tolist()
        assert set(after[name].compute_dtype) <= {"bfloat16, float32", "bfloat16", "float32"}
        assert not (after[name].compute_dtype == "float32").all()
    screening = after["screening"]
    assert (screening.settled + screening.rescored == screening.samples).all()
    assert (screening.audited >= screening.contradicted).all()
    assert screening.settled.sum() > 0
    page = (project / "results/tiny/report.html").read_text()
    assert "screened in bfloat16" in page
    jobs, computed, _ = run(project)
    assert (jobs, computed) == ({}, {})
