"""`countmein keys`: a newer key is added, older ones are emptied by the site itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from countmein.base.sealing import keys_in, new_line
from countmein.campaigns.actions.seal_old import seal_old, sealed_by
from countmein.cli import keys
from tests.conftest import Launch, Site


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sealing_keys").write_text(new_line(1))
    monkeypatch.setenv("COUNTMEIN_HOME", str(tmp_path))
    monkeypatch.setenv("COUNTMEIN_RUN_DIR", str(tmp_path))
    return tmp_path


def test_a_newer_key_is_added_and_takes_over(
    site: Site,
    launch: Launch,
    join: Callable[..., dict[str, Any]],
    settings: Any,
    own_home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.SEALING_KEYS = keys_in((own_home / "sealing_keys").read_text())
    campaign = launch(confirm="email")
    join(campaign, "ben")
    assert {1: 1} == sealed_by()
    site.work()
    assert 0 == keys.run([])
    assert "key 1  seals  holds 1" in capsys.readouterr().out
    assert 0 == keys.run(["--add"])
    assert "Key 2 seals from the next start on" in capsys.readouterr().out
    settings.SEALING_KEYS = keys_in((own_home / "sealing_keys").read_text())
    assert [1, 2] == sorted(settings.SEALING_KEYS)
    assert 0 == keys.run([])
    said = capsys.readouterr().out
    assert "key 1  is old  holds 1\nkey 2  seals  holds 0" in said
    assert "that goes on by itself" in said
    seal_old()
    assert {2: 1} == sealed_by()
    assert 0 == keys.run([])
    assert "key 1  is old  holds 0\nkey 2  seals  holds 1" in capsys.readouterr().out
