"""Characters that a document may not hold: what cannot be seen, reorders text, or is no character at all."""

from __future__ import annotations

import re
import unicodedata

# Refused anywhere in a file, comments too: controls, odd line breaks, bidirectional controls, BOM, non-characters.
REFUSED_RAW = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
    "|\r(?!\n)"
)
_ALLOWED_CONTROLS = "\n\t"
_REFUSED_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def first_refused(text: str) -> str | None:
    """The first character of a value that is refused, or None; line breaks and tabs are the field's own business."""
    if text.isprintable():  # false for every refused category, so this is the whole test for nearly all values
        return None
    for character in text:
        if unicodedata.category(character) in _REFUSED_CATEGORIES and character not in _ALLOWED_CONTROLS:
            return character
    return None


def describe(character: str) -> str:
    """A character by code point and Unicode name, `U+202E RIGHT-TO-LEFT OVERRIDE`; never the character itself."""
    names = {"\0": "NUL", "\n": "line break", "\r": "carriage return", "\t": "tab"}
    name = unicodedata.name(character, names.get(character, "control or unassigned character"))
    return f"U+{ord(character):04X} {name}"


def visible(text: str) -> str:
    """The text with everything a terminal would not print as itself shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
