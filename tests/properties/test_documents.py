"""Whatever is typed: the loader keeps it, or refuses it with its place; it never fails in another way."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantplan.documents import Spec, load
from tenantplan.errors import ManifestError
from tenantplan.manifest.kinds import NAME_RULES, SPECS
from tenantplan.manifest.names import derive, name_problem

VISIBLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x24F).filter(str.isprintable), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | VISIBLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(VISIBLE, inner, max_size=4),
    max_leaves=12,
)


class FreeSpec(Spec):
    free: dict[str, Any]


def loaded(text: str | bytes, kinds: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(Path(folder), ["a.yaml"], kinds, NAME_RULES)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(VISIBLE, VALUES, max_size=4))
def test_json_values_come_back_as_they_were_written(free: dict[str, Any]) -> None:
    document = {"apiVersion": "tenantplan/v1", "kind": "Free", "metadata": {"name": "x"}, "spec": {"free": free}}
    (found,) = loaded(json.dumps(document, ensure_ascii=False), {"Free": FreeSpec})
    assert found.spec.free == free


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(VISIBLE, VALUES, max_size=4), st.sampled_from([None, 1]))
def test_every_value_has_the_place_that_yaml_gives_it(free: dict[str, Any], indent: int | None) -> None:
    document = {"apiVersion": "tenantplan/v1", "kind": "Free", "metadata": {"name": "x"}, "spec": {"free": free}}
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    (found,) = loaded(text, {"Free": FreeSpec})
    for path, node in places(yaml.compose(text, Loader=yaml.CSafeLoader)):
        place = found.at(*path)
        assert (place.line, place.column) == (node.start_mark.line + 1, node.start_mark.column + 1)
        assert found.has(*path) and not found.has(*path, "no such key: it is longer than any that VISIBLE makes")


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield path, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from places(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from places(item, (*path, index))


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200) | st.text(alphabet="abc:-?[]{}&*!|>'\"%@` \n\t#,~0", max_size=120))
def test_any_bytes_are_accepted_or_refused_with_a_place(text: str | bytes) -> None:
    try:
        loaded(text, SPECS)
        problems = []
    except ManifestError as error:
        problems = error.problems
    assert all(problem.startswith("a.yaml:") for problem in problems)


@settings(deadline=None)
@given(
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True), st.sampled_from(["", "_owner", "_app", "_ro"])
)
def test_derived_names_fit_and_are_identifiers(name: str, suffix: str) -> None:
    found = derive("tenantplan_org_", name, suffix)
    assert len(found.encode()) <= 63 and found.endswith(suffix)
    assert found.replace("_", "a").isalnum() and found.islower()
    assert name_problem(name) is None or "own name" in str(name_problem(name))
