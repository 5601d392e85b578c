import pytest

from tenantplan.postgres.values import without_values


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('invalid input syntax for type integer: "canary"', "invalid input syntax for type integer: …"),
        ('invalid input value for enum mood: "ca"nary"', "invalid input value for enum mood: …"),
        (
            "ung\u00fcltige Eingabesyntax f\u00fcr Typ integer: \u201ecanary\u201c",
            "ung\u00fcltige Eingabesyntax f\u00fcr Typ integer: …",
        ),
        ("syntaxe en entr\u00e9e invalide : \u00ab canary \u00bb", "syntaxe en entr\u00e9e invalide : …"),
        ("value too long for type character varying(5)", "value too long for type character varying(5)"),
        ("index 5551234 out of valid range, 0..31", "index … out of valid range, …"),
        ("division by zero", "division by zero"),
        ("", ""),
    ],
)
def test_no_value_of_a_row_is_shown(said: str, shown: str) -> None:
    assert without_values(said) == shown
