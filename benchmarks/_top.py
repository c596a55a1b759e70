"""Puts the repository's top and inference/ on sys.path, after the script's own folder, so that the
scripts here run from any folder. Each script imports this module before any other module of the
project. There is a _top.py in every folder of scripts; they differ only in ROOT.
"""

import os
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
sys.path[1:1] = [ROOT, os.path.join(ROOT, "inference")]
