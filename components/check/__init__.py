"""Finds the wrong captions, duplicates and leaks of a captioned dataset."""

from components.check.caption_set import CaptionSet
from components.check.check import TooFew, check
from components.check.checked import SUSPECT, WRONG, Checked
from components.check.evidence import Evidence, Space, evidence
from components.check.findings.finding import KINDS, Finding
from components.check.probability import Probabilities, probabilities

__all__ = [
    "KINDS",
    "SUSPECT",
    "WRONG",
    "CaptionSet",
    "Checked",
    "Evidence",
    "Finding",
    "Probabilities",
    "Space",
    "TooFew",
    "check",
    "evidence",
    "probabilities",
]
