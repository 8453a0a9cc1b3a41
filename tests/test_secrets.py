"""What lets others in, or tells who ran it, is in nothing that is left: tokens, signatures, the home."""

import json
import os
from pathlib import Path

import pytest
from experiments import local_experiment
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_model

from memprune.config.experiment import check
from memprune.config.values import without_home
from memprune.corpus.sources import hub as hub_source
from memprune.errors import UserError
from memprune.models.fetch_model import fetch_model
from memprune.models.hub_contact import one_line, without_secrets
from memprune.planning.params import report_spec, tables_spec

TOKEN = "hf_" + "s3cret" * 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"401 for {TOKEN}: denied", "401 for [token]: denied"),
        (
            "403 Forbidden for url 'https://cdn.host/a/b?X-Amz-Signature=ab12&x=1' (again)",
            "403 Forbidden for url 'https://cdn.host/a/b?[…]' (again)",
        ),
        ("no https://me:pass@host/x here", "no https://[…]@host/x here"),
        ("what? https://host/x", "what? https://host/x"),
    ],
)
def test_messages_of_the_hub_lose_what_lets_others_in(text, expected):
    assert one_line(OSError(text)) == expected


@given(st.text(), st.text())
def test_the_environments_token_is_in_no_message(before, after):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "my own secret")
        assert "my own secret" not in without_secrets(f"{before}my own secret{after}")


def test_a_token_is_in_nothing_that_meeting_the_hub_leaves(hub, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.point(monkeypatch, tmp_path / "home")
    monkeypatch.setattr("memprune.models.hub_contact.time.sleep", lambda seconds: None)
    tiny_model("gpt_neox", "float16", hub.root / "models/someone/tiny", layers=2)
    folder = hub.root / "datasets/someone/texts"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text('{"text": "a"}\n')
    corpus = {"dataset": "someone/texts", "revision": "main", "text": "text", "train": "train"}
    said = [json.dumps(fetch_model("someone/tiny", "main"))]
    assert [d.text for d in hub_source.read(corpus, [], "train", None)] == ["a"]
    hub.gated = {"someone/tiny"}
    for repo in ("someone/tiny", "someone/absent"):
        with pytest.raises(UserError) as error:
            fetch_model(repo, "main")
        said.append(str(error.value))
    said += capfd.readouterr()
    assert any("gated" in line for line in said)
    assert TOKEN not in "\n".join(said)
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []


def test_files_of_a_data_set_that_are_no_text_are_one_line(tmp_path):
    """datasets could open what they name; a script beside the data is not run."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/data.py").write_text(f"open({str(tmp_path / 'hurt')!r}, 'w')")
    corpus = {"dataset": str(tmp_path / "data"), "revision": "main", "text": "text", "train": "train"}
    with pytest.raises(UserError, match=r"^data set .*cannot be read"):
        list(hub_source.read(corpus, [], "train", None))
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml/train.xml").write_text("<a/>")
    with pytest.raises(UserError, match=r"found files of kind xml, allowed: arrow, csv, json, par"):
        list(hub_source.read(corpus | {"dataset": str(tmp_path / "xml")}, [], "train", None))
    assert not (tmp_path / "hurt").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/me/models", "~/models"),
        ("/home/me", "~"),
        ("/home/mela/x", "/home/mela/x"),
        ("/data/home/me/x", "/data/home/me/x"),
        ('{"path":"/home/me/x","other":"/home/me"}', '{"path":"~/x","other":"~"}'),
    ],
)
def test_the_home_is_told_as_a_tilde(text, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert without_home(text) == expected


def test_where_the_home_is_the_root_nothing_is(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert without_home("/data/x") == "/data/x"


def test_report_and_tables_do_not_tell_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    tiny_model("gpt_neox", "float16", tmp_path / "model", layers=2)
    (tmp_path / "texts").mkdir()
    config = local_experiment(
        Path("~/model"),
        corpus={"source": "hub", "dataset": "~/texts"},
        samples={"balance_duplicates": False},
        store="~/store",
    )
    assert config.models["tiny"].path == os.path.expanduser("~/model")
    for spec in (report_spec(config), tables_spec(config)):
        assert str(tmp_path) not in spec
        assert "~/texts" in spec
    given = json.loads(json.loads(report_spec(config))["config"])
    assert check(given | {"store": "x"}, "again").models == config.models
