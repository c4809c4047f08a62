from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings

# Every run tries the same cases, so that a change is judged by what it changes; --hypothesis-profile=random tries
# others.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("random"), derandomize=True)
settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Give every test and its fixtures one thread, whatever the test before set.

    With tiny tensors, threads only wait for each other, the longer the busier the machine: 13 times as long was seen.
    """
    torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--strikes", type=int, default=1, help="rounds of strikes against a cluster (-m chaos)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was done to clusters, and what it cost."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    rows = [row for report in reports for name, value in report.user_properties if name == "chaos" for row in value]
    if not rows:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'fault':52} {'injected':>8} {'lost':>5} {'recomputed':>10} {'recovered in s':>14}")
    for fault in dict.fromkeys(row[0] for row in rows):
        found = [row[1:] for row in rows if row[0] == fault]
        injected, lost, again = (sum(row[column] for row in found) for column in range(3))
        longest = max(row[3] for row in found)
        terminalreporter.write_line(f"{fault:52} {injected:8} {lost:5} {again:10} {longest:14.1f}")
