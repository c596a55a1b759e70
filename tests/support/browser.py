"""Chromium for tests: `make browser-deps` installs what drives it, and Debian's package chromium is
the browser itself.

ETAGGER_BROWSER: the folder of these packages, if it is not .browser. ETAGGER_CHROMIUM: the
browser's path, if it is not on PATH.
"""

import contextlib
import os
import shutil
import sys

import pytest

from support.commands import ROOT

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def packages():
    """Makes the packages importable. Skips the test if they are missing."""
    folder = os.environ.get("ETAGGER_BROWSER") or os.path.join(ROOT, ".browser")
    if folder not in sys.path:
        sys.path.append(folder)
    for name in ("playwright.sync_api", "axe_playwright_python"):
        pytest.importorskip(name, reason=f"{name} is not installed: make browser-deps")


def chromium():
    """The path of the browser. Skips the test if there is none."""
    named = os.environ.get("ETAGGER_CHROMIUM", "")
    for name in (named, "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    pytest.skip("no Chromium on PATH, nor in ETAGGER_CHROMIUM: Debian's package is chromium")


@contextlib.contextmanager
def open_browser():
    """Starts a headless Chromium with a new profile; it ends with the context."""
    packages()
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, headless=True, args=[*FLAGS])
        yield browser
        browser.close()


def violations(page):
    """The violations of accessibility rules that axe-core finds in a page, one line each. All rules
    are on.
    """
    import axe_playwright_python

    with open(os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js")) as file:
        page.evaluate(file.read())  # the page's policy forbids add_script_tag
    found = page.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete']})")
    return [
        f"{rule['id']}: {node['html']}: {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
