"""Makes untrusted text inert for a terminal, a CI log and Markdown, and masks passwords in connection strings.

Names and values come from files and databases that an attacker may write. HTML has Jinja's autoescape;
it needs `terminal` as well, because a browser obeys bidi controls too.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tenantplan.model.encode import inert

# C0, DEL, C1, soft hyphen, fillers, zero-width, bidi, line separators, lone surrogates, interlinear, formats of scripts and
# of music, tag characters: every Cc, Cf, Cs, Zl and Zp of Unicode, and what is as invisible.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0"
    "\ufff0-\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
# The Actions runner reads `::command::` after leading blanks only, but the older `##[command]` anywhere in a line.
_COMMAND = re.compile(r"^(\s*):(?=:)")
_OLD_COMMAND = re.compile(r"(?<=#)#(?=\[)")

_SECRETS = (
    # user:password@ of a URL, up to the last @ of the word; a password with a blank reaches to the next @.
    (re.compile(r"(://[^\s:/@]*):(?:[^ \t\r\n]*|(?!\d{1,5}[/?\s])[^@\r\n]*)@"), r"\1:***@"),
    (re.compile(r"(?i)\b((?:ssl)?password)\s*=\s*(?:'(?:\\.|[^'\\])*'|[^\s&;]+)"), r"\1=***"),
    (re.compile(r"(?i)\b(password)\s+E?'(?:''|[^'])*'"), r"\1 '***'"),
)


def terminal(text: str) -> str:
    """The text on one line, all that a terminal or a CI runner would obey as an escape such as \\x1b or \\u202e."""
    shown = _UNSAFE.sub(_escape, text)
    return _OLD_COMMAND.sub(r"\\x23", _COMMAND.sub(r"\1\\x3a", shown))


def markdown(text: str) -> str:
    """The text as a code span, in which GitHub finds no mention, reference, link, image, HTML or emoji."""
    shown = terminal(text).replace("<!--", "<\\x21--") or '""'
    ticks = "`" * (_longest_run(shown) + 1)
    # A blank each side, which Markdown drops: a backtick at the edge, or GitHub's $`math`$ across two spans.
    pad = " " if shown.strip() and (shown[0] in "`$ " or shown[-1] in "`$ ") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def fence(lines: tuple[str, ...], language: str = "sql") -> str:
    """The lines as a fenced code block that none of them can close."""
    shown = [terminal(line).replace("<!--", "<\\x21--") for line in lines]
    ticks = "`" * max(3, _longest_run("\n".join(shown)) + 1)
    return "\n".join([ticks + language, *shown, ticks])


def json_text(document: Any) -> str:
    """One JSON document, ASCII only, so that no value can move a terminal's cursor; ended by a newline."""
    return inert(json.dumps(document, indent=2, sort_keys=True)) + "\n"


def mask_url(text: str) -> str:
    """The text with the password of every connection string in it, URL or keywords, as ***."""
    if "://" in text or "password" in text.lower():
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return text


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if code < 0x100:
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
