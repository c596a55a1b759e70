"""Puts the repository's top, inference/ and benchmarks/ on sys.path, after the script's own folder,
so that the scripts here run from any folder. Each imports this before anything of the project's.
The _top.py of every folder does the same; they differ in their paths alone.
"""

import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[1:1] = [ROOT, *(os.path.join(ROOT, name) for name in ("inference", "benchmarks"))]
