"""Credentials that stand in the URL of an object store are refused before anything is opened, and told to nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.cli import app
from jobs.console import complain
from jobs.invocation import run_app
from pipeline.file_systems import file_system
from pipeline.places import redact, without_secrets
from pipeline.storage_errors import StorageError

KEY, SECRET = "AKIAEXAMPLE", "wJalr/XUtn+FEMI"


@pytest.mark.parametrize(
    "url",
    [
        f"s3://{KEY}:{SECRET}@bucket/tapes",
        f"s3a://{KEY}:{SECRET}@bucket/tapes/a@b.mkv",
        f"s3://{SECRET}@bucket/tapes".replace("/X", "X"),
        f"s3://{KEY}:{SECRET}",
        f"gs://{KEY}:{SECRET}@bucket/tapes",
        f"az://{KEY}:{SECRET}@container/tapes",
        f"abfs://{KEY}:{SECRET}@container/tapes",
        f"simplecache::s3://{KEY}:{SECRET}@bucket/a.mkv",
        f"zip://a.mkv::s3://{KEY}:{SECRET}@bucket/a.zip",
    ],
)
def test_they_are_refused_and_never_shown(url: str) -> None:
    with pytest.raises(StorageError, match=r"^\w+://: the URL carries credentials; .*AWS_PROFILE") as caught:
        file_system(url)
    told = f"{caught.value} {redact(url)} {without_secrets(f'Invalid bucket name in {url}')}"
    assert not [part for part in (KEY, *SECRET.split("/")) if part in told]


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/take@1:00.mkv",
        "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/tapes/a.mkv",
        "memory://place/a:b@c.mkv",
    ],
)
def test_what_only_looks_like_it_is_opened(url: str) -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    _, path = file_system(url)
    assert path.endswith(".mkv") and redact(url) == url


def test_a_container_may_name_its_account() -> None:
    assert redact("abfs://tapes@account.dfs.core.windows.net/a.mkv") == "abfs://account.dfs.core.windows.net/a.mkv"
    try:
        file_system("abfs://tapes@account.dfs.core.windows.net/a.mkv")
    except StorageError as error:  # where its package is not installed
        assert "credentials" not in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "status {}",
        "verify {}",
        "report {}",
        "report . --output {}",
        "plan {} --quick",
        "restore {} -o out -w run --executor local",
        "restore tape.mkv -o {} -w run --executor local",
        "restore tape.mkv -o out -w {} --executor local",
        "reprocess {} --executor local",
        "retry {} --executor local",
    ],
)
def test_no_command_says_them(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tape.mkv").write_text("3 tape")
    (tmp_path / "manifest").mkdir()
    (tmp_path / "run.yaml").write_text("inputs: [tape.mkv]\noutput: out\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["reelift", *line.format(f"s3://{KEY}:{SECRET}@bucket/run").split()])
    with pytest.raises(SystemExit) as ended:
        run_app(app, "reelift")
    said = capsys.readouterr()
    assert ended.value.code == 1 and "credentials" in said.err
    assert not [part for part in (KEY, *SECRET.split("/")) if part in said.err + said.out]


def test_what_a_file_system_says_is_told_without_what_urls_carry(capsys: pytest.CaptureFixture[str]) -> None:
    say: Callable[[OSError], int] = complain
    assert say(OSError(5, "https://me:pw@host/a.mkv?sig=x: gone")) == 1
    assert capsys.readouterr().err == "error: https://host/a.mkv gone\n"
