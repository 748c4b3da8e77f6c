"""Runs dumb-init's tests: `dumb_init.py SOURCE BIN NAME...`; a verdict a line on descriptor 3.

None of the named tests is expected to pass, and they are not waited for; the others get the time that a busy machine needs, which
theirs do not give.
"""

import os
import sys

import pytest

source, _, *different = sys.argv[1:]
sys.path.insert(0, source)
import testing  # noqa: E402

LONG = 60


class Verdicts:
    def pytest_collection_modifyitems(self, items):
        for item in items:
            if item.originalname not in different:
                item.add_marker(pytest.mark.timeout(LONG))

    def pytest_runtest_setup(self, item):
        testing.sleep_until.__defaults__ = (1.5 if item.originalname in different else LONG,)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.failed:
            name = report.nodeid.rsplit("::")[-1].split("[")[0]
            os.write(3, "\t".join(["pass" if report.passed else "fail", name + "\n"]).encode())


code = pytest.main(["-p", "no:cacheprovider", "-q", "--tb=short", "tests"], [Verdicts()])
sys.exit(int(code))
