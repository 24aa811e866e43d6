"""Hypothesis strategies for worlds: which types, fields, wrappers, resolvers and failure rates there are."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.executor.world import ARGUMENTS, LEAVES, MODES, FieldSpec, Ref, TypeSpec, World

SYNC_MODES = ("attribute", "sync", "info", "allowed", "extended")


@st.composite
def worlds(draw: DrawFn, modes: tuple[str, ...] = MODES) -> World:
    types: list[TypeSpec] = []
    for index in range(draw(st.integers(1, 5))):
        types.append(draw(_types(index, types, modes)))
    resolved = tuple(mode for mode in modes if mode != "attribute")
    types += [
        TypeSpec("Subscription", "root", draw(_fields("s", types, 1, 2, ("events",)))),
        TypeSpec("Mutation", "root", draw(_fields("m", types, 1, 4, resolved))),
        TypeSpec("Query", "root", draw(_fields("q", types, 1, 4, resolved))),
    ]
    failures = draw(st.sampled_from([0, 4, 12, 30]))
    return World(tuple(types), failures, draw(st.integers(0, 2**32)), draw(st.integers(0, 5)) == 0)


@st.composite
def _types(draw: DrawFn, index: int, types: list[TypeSpec], modes: tuple[str, ...]) -> TypeSpec:
    objects = [each.name for each in types if each.kind == "object"]
    interfaces = [each for each in types if each.kind == "interface"]
    kinds = ["object", "object", "interface", *(["union"] if len(objects) > 1 else [])]
    kind = draw(st.sampled_from(kinds)) if types else "object"
    if kind == "union":
        members = draw(st.lists(st.sampled_from(objects), min_size=2, max_size=3, unique=True))
        return TypeSpec(f"Union{index}", "union", members=tuple(members))
    fields = draw(_fields(f"t{index}", types, 1, 4, modes))
    if kind == "interface":
        return TypeSpec(f"Interface{index}", "interface", fields)
    above = draw(st.sampled_from([None, *interfaces]))
    if above is None:
        return TypeSpec(f"Object{index}", "object", fields)
    return TypeSpec(f"Object{index}", "object", (*above.fields, *fields), interface=above.name)


@st.composite
def _fields(
    draw: DrawFn, prefix: str, types: list[TypeSpec], least: int, most: int, modes: tuple[str, ...]
) -> tuple[FieldSpec, ...]:
    return tuple(
        draw(_field(f"{prefix}f{index}", types, modes)) for index in range(draw(st.integers(least, most)))
    )


@st.composite
def _field(draw: DrawFn, name: str, types: list[TypeSpec], modes: tuple[str, ...]) -> FieldSpec:
    mode = draw(st.sampled_from(modes))
    ref = draw(_refs(types))
    if mode == "iterable":
        ref = Ref(draw(st.booleans()), item=ref)
    argument = "" if mode == "attribute" else draw(st.sampled_from(["", "", *ARGUMENTS]))
    return FieldSpec(name, mode, ref, argument)


@st.composite
def _refs(draw: DrawFn, types: list[TypeSpec]) -> Ref:
    names = [each.name for each in types if each.kind != "root"]
    name = draw(st.sampled_from([*LEAVES, *names, *names, *names]))
    ref = Ref(draw(st.booleans()), name)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        ref = Ref(draw(st.booleans()), item=ref)
    return ref
