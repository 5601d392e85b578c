from tenantplan.model.site import Site, beginning, site
from tenantplan.model.step import OUTSIDE, TRANSACTION, Origin, Step

FIRST = Step(
    TRANSACTION,
    ("CREATE TABLE version", "DO $tp$ check $tp$", "A 1", "A 2", "UPDATE version"),
    "a",
    origins=(Origin("", False, 1), Origin("a", False, 1), Origin("a", True, 2), Origin("a", False, 1)),
)
SECOND = Step(OUTSIDE, ("B 1",), "a", origins=(Origin("b", True, 1),))
THIRD = Step(TRANSACTION, ("B 2", "UPDATE version"), "b", origins=(Origin("b", True, 1), Origin("b", False, 1)))
STEPS = (FIRST, SECOND, THIRD)


def test_statements_are_counted_within_their_revision() -> None:
    assert site(STEPS, 0, 3) == Site("a", 2, 2, "A 2")
    assert site(STEPS, 1, 0) == Site("b", 1, 2, "B 1")
    assert site(STEPS, 2, 0) == Site("b", 2, 2, "B 2")


def test_what_tenantplan_adds_has_no_number() -> None:
    assert site(STEPS, 0, 0) is None
    for step, statement, revision in ((0, 1, "a"), (0, 4, "a"), (2, 1, "b")):
        found = site(STEPS, step, statement)
        assert found is not None
        assert found.of("x.py") == f"revision {revision} (x.py)"


def test_a_place_outside_the_step_is_none() -> None:
    assert site(STEPS, 1, 1) is None
    assert site(STEPS, 0, -1) is None
    assert site((Step(TRANSACTION, ("A",), "a"),), 0, 0) is None, "a plan of an earlier version does not say"


def test_a_literal_is_never_shown() -> None:
    assert beginning("-- a comment\n/* two */ INSERT INTO t VALUES ('canary')") == "INSERT INTO t VALUES ( …"
    assert beginning("DO $$ canary $$") == "DO …"
    assert beginning("ALTER TABLE t\n  ADD x int") == "ALTER TABLE t ADD x int"
    assert beginning("SELECT " + "x" * 200) == "SELECT " + "x" * 93 + " …"
