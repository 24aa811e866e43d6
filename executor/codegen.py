"""From a plan to functions: Python source in which no name or string of a client ever stands.

Each object plan becomes one function `o<n>(s, r, p, f, ok=False)`: source, operation, position, the site of
the field that holds the object, and whether the source has been checked already. It returns the object of the
response. Names in the source are numbers (`K7` is the response key of site 7), attribute names of the
server's own classes where they are plain identifiers, and nothing else; all constants come from a table.

    def o3(s, r, p, f, ok=False):
        if not ok and s.__class__ not in C3 and r.unusual(s, p, f, O3, C3):
            return None
        try:
            v7 = s.name
            if v7.__class__ is not str:
                v7 = r.leaf(v7, F7, p)
        except Exception as e:
            v7 = r.failed(e, F7, p)
        ...
        return {K7: v7, ...}

A `try` costs nothing until something is raised, so every field has its own, and the failure path is the same
code as the path of success: nothing is ever run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import CodeType, CoroutineType
from typing import Any

from graphql import Undefined
from strawberry.types import Info
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from executor.completion import completer, object_classes
from executor.info import ResolveInfo
from executor.keeping import Bind, Unchanging
from executor.leaf import GUARDS, PLAIN, enum_names, unserialized_error
from executor.pending import Pending
from executor.plan import (
    Attribute,
    Call,
    Constant,
    Default,
    Event,
    FieldSite,
    LeafShape,
    ListShape,
    ObjectPlan,
    ObjectShape,
    Resolve,
)
from executor.reading import Reading
from executor.resolvers import is_safe_name


def generate(plans: list[ObjectPlan], info_class: type[Info[Any, Any]]) -> str:
    """Makes the functions of the plans, sets each plan's and site's `complete`, and returns the source."""
    constants: dict[str, Any] = {
        "AWAITABLE": frozenset({asyncio.Future, asyncio.Task, CoroutineType}),
        "Info": info_class,
        "new": object.__new__,
        "PLAIN": PLAIN,
        "Undefined": Undefined,
        "unserialized": unserialized_error,
        "Pending": Pending,
        "ResolveInfo": ResolveInfo,
    }
    source = "\n".join(line for plan in plans for line in _function(plan, constants))
    exec(_compiled(source), constants)  # noqa: S102 - see above: numbers and the server's own identifiers
    for plan in plans:
        plan.complete = constants[f"o{plan.index}"]
    for plan in plans:
        for site in plan.sites:
            site.complete = constants[f"c{site.index}"] = completer(site.shape)
    return source


def _compiled(source: str) -> CodeType:
    return compile(source, "<compiled GraphQL operation>", "exec", dont_inherit=True)


def _function(plan: ObjectPlan, constants: dict[str, Any]) -> Iterator[str]:
    yield f"def o{plan.index}(s, r, p, f, ok=False):"
    origin = _unchanging(plan)
    if origin is not None:
        constants[f"U{plan.index}"] = origin
        yield from _kept(plan)
    if not plan.is_root:
        yield from _check(plan, constants)
    readings = plan.readings
    if readings:
        constants[f"Y{plan.index}"] = plan.origin
        yield from _base(plan, next(iter(readings.values())).base)
    late = [site.index for site in plan.sites if _may_be_late(site)]
    for index in late:
        yield f"    w{index} = None"
    for site in plan.sites:
        constants[f"K{site.index}"] = site.key
        yield from _Field(site, constants, readings.get(site.index)).lines()
    members = ", ".join(f"K{site.index}: {_member(site)}" for site in plan.sites)
    yield f"    d = {{{members}}}"
    for index in late:
        yield f"    if w{index} is not None:"
        yield f"        w{index}.container = d"
    if origin is not None:
        yield "    if k is not None and r.state() == m:"
        yield f"        s.keep(O{plan.index}, d)"
    yield "    return d"


def _unchanging(plan: ObjectPlan) -> type | None:
    """Returns the class whose objects may keep what the plan makes of them."""
    if plan.is_root or not object_classes(plan.type)[0] or not issubclass(plan.origin, Unchanging):
        return None
    return plan.origin if plan.reads_only else None


def _kept(plan: ObjectPlan) -> Iterator[str]:
    """Lines that return what an object has kept."""
    n = plan.index
    yield f"    k = s.completed if s.__class__ is U{n} else None"
    yield "    if k is not None:"
    yield f"        d = k.get(O{n})"
    yield "        if d is not None:"
    yield "            return d"
    yield "        m = r.state()"


def _check(plan: ObjectPlan, constants: dict[str, Any]) -> Iterator[str]:
    """Lines that let sources of known classes pass and ask `Operation.unusual` about all others."""
    n = plan.index
    classes, casts = object_classes(plan.type)
    constants[f"C{n}"] = classes
    constants[f"O{n}"] = plan
    cast = f" or getattr(s, {TYPE_CAST_ATTRIBUTE!r}, None) is not None" if casts else ""
    yield f"    if not ok and (s.__class__ not in C{n}{cast}) and r.unusual(s, p, f, O{n}, C{n}):"
    yield "        return None"


def _base(plan: ObjectPlan, base: str) -> Iterator[str]:
    """Lines that read what an object's properties are attributes of; None where they have to be asked."""
    yield "    w = None"
    yield f"    if s.__class__ is Y{plan.index}:"
    yield "        try:"
    yield f"            w = s.{base}"
    yield "        except Exception:"
    yield "            pass"


def _may_be_late(site: FieldSite) -> bool:
    return isinstance(site.source, Call | Resolve)


def _member(site: FieldSite) -> str:
    return f"A{site.index}" if isinstance(site.source, Constant) else f"v{site.index}"


class _Field:
    """The lines of one field: read the value, let it pass or complete it, and catch what is raised."""

    def __init__(self, site: FieldSite, constants: dict[str, Any], reading: Reading | None) -> None:
        self._site = site
        self._reading = reading
        self._constants = constants
        self._n = site.index
        constants[f"F{site.index}"] = site

    def lines(self) -> Iterator[str]:
        n, source = self._n, self._site.source
        if isinstance(source, Constant):
            self._constants[f"A{n}"] = source.value
            return
        yield "    try:"
        if isinstance(source, Call | Resolve):
            yield from self._called(source)
        else:
            yield from self._value(source)
            yield from self._completed("        ")
        yield "    except Exception as e:"
        yield f"        v{n} = r.failed(e, F{n}, p)"

    def _value(self, source: Attribute | Default | Event) -> Iterator[str]:
        """Lines that read a value: a property that says what it reads, without its call."""
        n, reading, asked = self._n, self._reading, self._read(source)
        if reading is None:
            yield f"        v{n} = {asked}"
            return
        value = f"v{n} = {self._from_base(reading)} if w is not None else {asked}"
        if len(reading.names) == 1:
            yield f"        {value}"
            return
        yield "        try:"
        yield f"            {value}"
        yield "        except AttributeError:"
        yield f"            v{n} = {asked}"

    def _from_base(self, reading: Reading) -> str:
        read = f"w.{reading.names[0]}"
        if reading.convert is None:
            return read
        self._constants[f"H{self._n}"] = reading.convert
        return f"H{self._n}({read})"

    def _read(self, source: Attribute | Default | Event) -> str:
        n = self._n
        if isinstance(source, Event):
            return "s"
        if isinstance(source, Attribute) and is_safe_name(source.name):
            return f"s.{source.name}"
        self._constants[f"N{n}"] = source.name
        self._constants[f"G{n}"] = getattr if isinstance(source, Attribute) else source.getter
        return f"G{n}(s, N{n})"

    def _called(self, source: Call | Resolve) -> Iterator[str]:
        n = self._n
        self._constants[f"R{n}"] = source.function
        call = self._call(source)
        if isinstance(source, Call) and source.bind is not None:
            yield from self._bound(source, source.bind)
            yield f"        if b{n} is not False:"
            yield f"            v{n} = {self._from_bound(source)}"
            yield "        else:"
            yield from self._given(source, "            ")
            yield f"            v{n} = {call}"
        elif isinstance(source, Call) and source.is_coroutine:
            yield from self._given(source, "        ")
            yield "        try:"
            yield f"            v{n} = {call}"
            yield "        except Exception as e:"  # it would have been raised inside Strawberry's coroutine
            yield f"            v{n} = r.raising(e)"
        else:
            yield from self._given(source, "        ")
            yield f"        v{n} = {call}"
        if source.is_coroutine:
            yield from self._deferred("        ")
            return
        kept = list(self._kept())
        yield from kept
        unknown = f"{self._is_unknown()}(v{n}.__class__ in AWAITABLE or r.is_awaitable(v{n}))"
        yield f"        {'el' if kept else ''}if {unknown}:"
        yield from self._deferred("            ")
        yield "        else:"
        yield from self._completed("            ")

    def _kept(self) -> Iterator[str]:
        """Lines that take what an object has kept, as its own function would: see `_kept` of the module."""
        n, shape = self._n, self._site.shape
        if isinstance(shape, ObjectShape) and _unchanging(shape.plan) is not None:
            o = shape.plan.index
            yield f"        x = v{n}.completed if v{n}.__class__ is U{o} else None"
            yield f"        if x is not None and (x := x.get(O{o})) is not None:"
            yield f"            v{n} = x"

    def _is_unknown(self) -> str:
        """The test that a value is of no class of which it is known that nobody awaits it."""
        n, shape = self._n, self._site.shape
        if isinstance(shape, LeafShape):
            return f"v{n}.__class__ not in PLAIN and "
        if isinstance(shape, ListShape):
            return f"v{n}.__class__ is not list and "
        if isinstance(shape, ObjectShape):
            return f"v{n}.__class__ not in C{shape.plan.index} and "
        return ""

    def _bound(self, source: Call, bind: Bind) -> Iterator[str]:
        """Lines that bind the resolver at the first object; False is kept where it can not be."""
        n = self._n
        self._constants[f"Z{n}"] = bind
        yield f"        b{n} = r.bound.get({n})"
        yield f"        if b{n} is None:"
        yield from self._given(source, "            ")
        parameters = ", ".join([f"{source.info_name}=i{n}", *self._arguments(source)])
        yield f"            b{n} = Z{n}({parameters})"
        yield f"            b{n} = r.bound[{n}] = False if b{n} is None else b{n}"

    def _from_bound(self, source: Call) -> str:
        """What finds the value of an object by what its resolver was bound to: a function, or a mapping."""
        n, key = self._n, source.key
        if key is None:
            return f"b{n}(s)"
        self._constants[f"J{n}"] = key.fget
        if self._reading is None or len(key.names) > 1:
            return f"b{n}[J{n}(s)]"
        return f"b{n}[{self._from_base(key)} if w is not None else J{n}(s)]"

    def _given(self, source: Call | Resolve, pad: str) -> Iterator[str]:
        """Lines that make what the resolver is given: its arguments, and `info`."""
        if self._site.arguments is not None and self._site.arguments.constant is None:
            yield f"{pad}a{self._n} = r.arguments(F{self._n})"
        if isinstance(source, Call) and source.info_name:
            yield from self._info(pad)

    def _arguments(self, source: Call | Resolve) -> Iterator[str]:
        n, arguments = self._n, self._site.arguments
        if arguments is None:
            return
        self._constants[f"B{n}"] = arguments.constant
        given = f"a{n}" if arguments.constant is None else f"B{n}"
        if isinstance(source, Call) and source.convert is not None:
            self._constants[f"X{n}"] = source.convert
            given = f"X{n}({given})"
        yield f"**{given}"

    def _info(self, pad: str) -> Iterator[str]:
        """Strawberry's info. For its own class without a call: that saves a tenth of a microsecond."""
        n = self._n
        self._constants[f"I{n}"] = self._site.strawberry_field
        raw = f"ResolveInfo(r, F{n}, {self._position()})"
        if self._constants["Info"] is not Info:
            yield f"{pad}i{n} = Info(_raw_info={raw}, _field=I{n})"
            return
        yield f"{pad}i{n} = new(Info)"
        yield f"{pad}i{n}._raw_info = {raw}"
        yield f"{pad}i{n}._field = I{n}"

    def _deferred(self, pad: str) -> Iterator[str]:
        n = self._n
        yield f"{pad}w{n} = Pending(v{n}, F{n}, {self._position()}, c{n})"
        yield f"{pad}r.starting.append(w{n})"
        yield f"{pad}v{n} = None"

    def _position(self) -> str:
        n, site = self._n, self._site
        self._constants[f"T{n}"] = site.typename
        return f"(p, K{n}, T{n}, {site.nullable})"

    def _call(self, source: Call | Resolve) -> str:
        n = self._n
        function = f"R{n}"
        if isinstance(source, Resolve):
            parameters = ["s", f"ResolveInfo(r, F{n}, {self._position()})"]
            if source.wrapped:
                function = f"r.wrapped(R{n})"
        else:
            parameters = ["s"] if source.takes_self else []
            parameters += [f"{name}=s" for name in source.source_names]
            if source.info_name:
                parameters.append(f"{source.info_name}=i{n}")
        return f"{function}({', '.join([*parameters, *self._arguments(source)])})"

    def _completed(self, pad: str) -> Iterator[str]:
        shape = self._site.shape
        if isinstance(shape, LeafShape):
            yield from self._leaf(shape, pad)
        else:
            yield from self._composite(pad)

    def _leaf(self, shape: LeafShape, pad: str) -> Iterator[str]:
        n = self._n
        v = f"v{n}"
        slow = f"{v} = r.leaf({v}, F{n}, p)"
        maybe = f" and {v} is not None" if shape.nullable else ""
        names = enum_names(shape.type)
        if guard := GUARDS.get(shape.type):
            yield f"{pad}if ({guard.format(v=v)}){maybe}:"
            yield f"{pad}    {slow}"
        elif names is not None:
            self._constants[f"E{n}"] = names
            yield f"{pad}x = E{n}.get(id({v}))"
            yield f"{pad}if x is not None:"
            yield f"{pad}    {v} = x"
            yield f"{pad}el{f'if {v} is not None' if shape.nullable else 'se'}:"
            yield f"{pad}    {slow}"
        else:
            self._constants[f"S{n}"] = shape.type.coerce_output_value
            self._constants[f"L{n}"] = shape.type
            yield f"{pad}if {v}.__class__ in PLAIN:"
            yield f"{pad}    x = S{n}({v})"
            yield f"{pad}    if x is None or x is Undefined:"
            yield f"{pad}        raise unserialized(L{n}, {v}, x)"
            yield f"{pad}    {v} = x"
            yield f"{pad}el{f'if {v} is not None' if shape.nullable else 'se'}:"
            yield f"{pad}    {slow}"

    def _composite(self, pad: str) -> Iterator[str]:
        """A value that is no leaf: awaitables wait, the others are completed at their position."""
        n, site = self._n, self._site
        complete = f"v{n} = c{n}(v{n}, r, {self._position()}, F{n})"
        if isinstance(site.source, Call | Resolve):  # asked already
            yield f"{pad}{complete}"
            return
        yield f"{pad}if {self._is_unknown()}r.is_awaitable(v{n}):"
        yield f"{pad}    r.defer(v{n}, F{n}, p)"
        yield f"{pad}    v{n} = None"
        yield f"{pad}el{f'if v{n} is not None' if site.nullable else 'se'}:"
        yield f"{pad}    {complete}"
