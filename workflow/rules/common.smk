"""The study, where its files lie, and small helpers for the rules; no rule in here."""

import os
import shlex
import sys
from math import ceil
from pathlib import Path

from pydantic import BaseModel

from clipn.config import ID_DATASETS, load_study
from clipn.errors import ClipnError
from clipn.fingerprint import fingerprint

try:
    study = load_study(config, Path("config/studies"))
    registry = study_registry(study)
except ClipnError as error:
    sys.exit(f"error: {error}")
