"""A configuration that is read anew in a process of its own, where there is no room for one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from nexus.processes.poller import Poller
from nexus.server.reading import Good
from nexus.server.rereading import Rereading
from nexus.server.source import Source


def refused() -> int:
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def never(life: object) -> NoReturn:
    raise AssertionError("nothing was forked")


def test_a_machine_without_room_for_a_process_keeps_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "nexus.toml"
    file.write_text('[llm.providers.demo]\ntype = "echo"\n[llm.providers.demo.models.echo]\n')
    source = Source(file)
    rereading, heard, poller = Rereading(source, source.read()), list[Good | None](), Poller()
    rereading.ask()
    assert rereading.wants_to_read()
    monkeypatch.setattr(os, "fork", refused)
    rereading.begin(poller, never, heard.append)
    assert heard == [None]
    assert "no process could be started that reads the configuration" in caplog.text
    assert not rereading.wants_to_read(), "it is not tried again at once"
    rereading.ask()
    assert rereading.wants_to_read()
    poller.close()
