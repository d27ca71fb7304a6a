"""Runs that are killed again and again come to what they would have come to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the harness forks")
def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been():
    harness = Path(__file__).with_name("kills.py")
    command = [sys.executable, "-W", "error", str(harness), "20", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "different 0" in done.stdout
    assert "scored too often 0" in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_run_with_workers_is_killed_and_so_are_they():
    harness = Path(__file__).with_name("worker_kills.py")
    done = subprocess.run([sys.executable, str(harness), "5", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "different 0, books wrong 0, scored too often 0, workers that live on 0" in done.stdout
