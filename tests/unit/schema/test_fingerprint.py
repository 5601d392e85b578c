"""Two schemas compared object by object."""

from tenantplan.schema.fingerprint import differences


def test_missing_extra_and_changed_objects_are_named_in_order() -> None:
    expected = {"table a": "", "column a.x": "text", "index i": "…"}
    actual = {"table a": "", "column a.x": "integer", "table b": ""}
    assert differences(expected, actual) == [
        ("column a.x", "text", "integer"),
        ("index i", "…", None),
        ("table b", None, ""),
    ]
    assert differences(actual, actual) == []
