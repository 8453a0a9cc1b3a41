"""The workflow in a folder whose name a shell or Snakemake could take for more than a name."""

import pytest
from project import STUB_VARIABLES, lay_out_stubs, snakemake


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a {b} {{c}}", 'it\'s "$(touch ran)" * ;'])
def test_every_job_runs_in_a_folder_of_any_name(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    lay_out_stubs(folder)
    done = snakemake(folder, "--configfile", "tiny.yaml", snakefile=folder / "Snakefile", **STUB_VARIABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "results/tiny/report.html").exists()
    assert not list(tmp_path.rglob("ran"))


def test_a_colon_which_no_folder_in_path_may_have_is_one_line(tmp_path):
    folder = tmp_path / "c:d"
    folder.mkdir()
    lay_out_stubs(folder)
    done = snakemake(
        folder, "-n", "--configfile", "tiny.yaml", snakefile=folder / "Snakefile", **STUB_VARIABLES
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {folder}: found a colon, which no folder in PATH")
