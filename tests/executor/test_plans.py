"""Finding, keeping, switching and refusing plans; what is counted and reported."""

import threading
from typing import Any

import pytest
import strawberry
from graphql import DocumentNode, parse
from strawberry.extensions import ParserCache
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import Info

from executor import CompiledSchema, Execution, Prepared, install, last_execution, selected


@strawberry.type
class Leaf:
    name: str

    @strawberry.field
    def size(self) -> int:
        return len(self.name)

    @strawberry.field
    def parent(self) -> "Leaf":
        return self


@strawberry.type
class Tree:
    leaves: list[Leaf]
    kind: str


@strawberry.type
class Query:
    number: int = 1

    @strawberry.field
    def leaf(self) -> Leaf:
        return Leaf(name="leaf")

    @strawberry.field
    def who(self, info: Info) -> str:
        return f"{info.context}"

    @strawberry.field
    def broken(self) -> int | None:
        raise ValueError("broken")

    @strawberry.field
    def names(self, info: Info, path: list[str] | None = None) -> list[str]:
        return sorted(selected(info, *(path or ())))

    @strawberry.field
    def tree(self, info: Info) -> Tree:
        info.context.update(here=selected(info), leaves=selected(info, "leaves"), none=selected(info, "kind"))
        return Tree(leaves=[], kind="oak")


class Watching:
    def __init__(self) -> None:
        self.plans: list[tuple[float, int]] = []
        self.executions: list[Execution] = []

    def compiled(self, seconds: float, fields: int) -> None:
        self.plans.append((seconds, fields))

    def executed(self, execution: Execution) -> None:
        self.executions.append(execution)


def _installed(**options: Any) -> CompiledSchema:
    return install(strawberry.Schema(Query), **options)


def _run(compiled: CompiledSchema, text: str, **options: Any) -> Any:
    return compiled.schema.execute_sync(text, root_value=Query(), **options)


def test_a_document_that_is_parsed_again_finds_its_plan() -> None:
    compiled = _installed()

    for _ in range(3):
        _run(compiled, "{ number }")

    assert (compiled.stats.misses, compiled.stats.hits, compiled.documents) == (1, 2, 1)


def test_documents_that_differ_only_in_their_lines_keep_their_own_locations() -> None:
    compiled = _installed()

    one = _run(compiled, "{ number\n broken }")
    other = _run(compiled, "{ number \nbroken }")

    assert [(at.line, at.column) for at in one.errors[0].locations] == [(2, 2)]
    assert [(at.line, at.column) for at in other.errors[0].locations] == [(2, 1)]
    assert compiled.stats.compiled == 2


def test_the_least_recently_used_document_goes_first() -> None:
    compiled = _installed(max_documents=2)

    for text in ("{ a: number }", "{ b: number }", "{ a: number }", "{ c: number }", "{ a: number }"):
        _run(compiled, text)

    assert (compiled.documents, compiled.stats.compiled) == (2, 3)
    _run(compiled, "{ b: number }")
    assert compiled.stats.compiled == 4


def test_the_plans_of_one_document_are_bounded_too() -> None:
    compiled = _installed(max_plans_per_document=3)
    switches = [f"$s{index}: Boolean!" for index in range(3)]
    fields = " ".join(f"n{index}: number @include(if: $s{index})" for index in range(3))
    document = parse(f"query ({', '.join(switches)}) {{ who {fields} }}")

    for bits in range(8):
        prepared = compiled.prepare(
            document, None, {f"s{index}": bool(bits >> index & 1) for index in range(3)}
        )
        assert isinstance(prepared, Prepared)
        assert len(prepared.plan.sites) == 1 + bits.bit_count()

    assert len(compiled._compiler.documents.get(document).plans) == 3


def test_cleared_plans_are_made_again() -> None:
    compiled = _installed()
    _run(compiled, "{ number }")

    compiled.clear()
    _run(compiled, "{ number }")

    assert compiled.stats.compiled == 2


def test_a_parser_cache_hits_by_identity() -> None:
    schema = strawberry.Schema(Query, extensions=[ParserCache])
    compiled = install(schema)

    results = [schema.execute_sync("{ who }", context_value=name).data for name in ("a", "b")]

    assert results == [{"who": "a"}, {"who": "b"}]
    assert compiled.stats.hits == 1


def test_threads_share_the_plans() -> None:
    compiled = _installed(max_documents=2)
    texts = [f"{{ n{index}: number who }}" for index in range(5)]
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(40):
            for index, text in enumerate(texts):
                data = _run(compiled, text, context_value="w").data
                if data != {f"n{index}": 1, "who": "w"}:
                    wrong.append(data)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert compiled.documents == 2


def test_the_switch_hands_everything_back_to_graphql_core() -> None:
    compiled = _installed()

    compiled.enabled = False
    result = _run(compiled, "{ number }")

    assert result.data == {"number": 1}
    assert last_execution.get() == Execution("graphql-core", "switched off")
    assert compiled.stats.compiled == 0
    compiled.uninstall()
    assert compiled.schema.execution_context_class is StrawberryGraphQLCoreExecutionContext


def test_a_schema_with_an_executor_of_its_own_is_refused() -> None:
    class Own(StrawberryGraphQLCoreExecutionContext):
        pass

    schema = strawberry.Schema(Query, execution_context_class=Own)

    with pytest.raises(ValueError, match="execution context class"):
        install(schema)


def test_a_class_that_is_put_on_top_afterwards_works() -> None:
    compiled = _installed()
    base = compiled.schema.execution_context_class
    compiled.schema.execution_context_class = type("Top", (base,), {})

    assert _run(compiled, "{ number }").data == {"number": 1}
    assert compiled.stats.compiled == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { queryType { name } } }", "introspection"),
        ('{ number __type(name: "Query") { name } }', "introspection"),
        ("query @experimental_disableErrorPropagation { number }", "directive on the operation"),
        ("fragment F($a: Int) on Query { number } { ...F }", "fragment arguments"),
        ("{ ... @defer { number } }", "incremental delivery"),
        ("{ number other }", "unknown field"),
        ("{ number } { who }", "no single operation of that name"),
        ("query A { number }", "no single operation of that name"),
        ("mutation { number }", "no such root type"),
        ("query B($x: Boolean) { number @skip(if: $x) }", "argument of @skip or @include"),
    ],
)
def test_what_the_compiler_does_not_know_it_names(text: str, reason: str) -> None:
    compiled = _installed()
    document = parse(text, experimental_fragment_arguments=True)

    name = "B" if text.startswith(("query A", "query B")) else None

    assert compiled.prepare(document, name, {"x": None}) == reason


def test_too_many_fields_are_left_to_graphql_core() -> None:
    compiled = _installed(max_fields=10)
    fields = " ".join(f"a{index}: number" for index in range(11))

    result = _run(compiled, f"{{ {fields} }}")

    assert len(result.data) == 11
    assert compiled.stats.fallbacks == {"too many fields": 1}


def test_nested_fragments_are_planned_once_for_each_place() -> None:
    compiled = _installed()
    levels = "\n".join(
        f"fragment F{level} on Leaf {{ a: parent {{ ...F{level + 1} }} a: parent {{ ...F{level + 1} }} }}"
        for level in range(12)
    )
    text = f"{{ leaf {{ ...F0 }} }} {levels} fragment F12 on Leaf {{ name }}"

    prepared = compiled.prepare(parse(text))

    assert isinstance(prepared, Prepared)
    assert len(prepared.plan.sites) == 14


def test_a_document_nested_beyond_reason_is_refused_not_crashed() -> None:
    compiled = _installed(max_fields=10**6)
    text = "{ leaf " + "{ parent " * 190 + "{ name }" + " }" * 190 + " }"

    outcome = compiled.prepare(parse(text))

    assert isinstance(outcome, Prepared) or outcome == "nested too deeply"


def test_the_observer_hears_of_plans_and_executions() -> None:
    watching = Watching()
    compiled = _installed(observer=watching)

    for text in ("{ leaf { name size } }", "{ leaf { name size } }", "{ __schema { types { name } } }"):
        _run(compiled, text)

    [(seconds, fields)] = watching.plans
    assert seconds > 0
    assert fields == 3
    assert [(each.executor, each.reason) for each in watching.executions] == [
        ("compiled", None),
        ("compiled", None),
        ("graphql-core", "introspection"),
    ]
    assert watching.executions[0].compile_seconds == seconds
    assert watching.executions[1].compile_seconds == 0


def test_errors_of_variables_are_no_execution() -> None:
    watching = Watching()
    compiled = _installed(observer=watching)

    result = _run(compiled, "query ($path: [String!]) { names(path: $path) }", variable_values={"path": [1]})

    assert result.errors[0].message.startswith("Variable '$path' has invalid value")
    assert watching.executions == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_resolver_learns_what_is_selected_below_it(enabled: bool) -> None:
    compiled = _installed()
    compiled.enabled = enabled
    context: dict[str, Any] = {}
    text = """query ($on: Boolean!) { tree { __typename ...T leaves { label: name @include(if: $on) ...L } } }
        fragment T on Tree { kind leaves { parent { name } } }
        fragment L on Leaf { size @skip(if: $on) ... { name @skip(if: true) } }"""

    result = _run(compiled, text, variable_values={"on": True}, context_value=context)

    assert result.errors is None
    assert context == {
        "here": frozenset({"kind", "leaves"}),
        "leaves": frozenset({"name", "parent"}),
        "none": frozenset(),
    }


def test_a_plan_says_whether_its_resolvers_see_the_context() -> None:
    compiled = _installed()

    def asks(text: str) -> bool:
        prepared = compiled.prepare(parse(text))
        assert isinstance(prepared, Prepared)
        return prepared.plan.asks_for_info

    assert not asks("{ number leaf { name size } }")
    assert asks("{ number who }")


def test_what_the_compiler_trips_over_costs_the_plan_and_not_the_request() -> None:
    class Broken(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise KeyError("no extensions here")

    compiled = _installed()
    query = compiled.schema._schema.query_type
    assert query is not None
    query.fields["number"].extensions = Broken()

    result = _run(compiled, "{ number }")

    assert result.data == {"number": 1}
    assert compiled.stats.fallbacks == {"compiler failed: KeyError": 1}


def test_names_that_python_would_change_are_read_by_getattr() -> None:
    compiled = install(
        strawberry.Schema(Query, config=StrawberryConfig(default_resolver=lambda source, name: f"{name}!"))
    )

    result = compiled.schema.execute_sync("{ leaf { name } }")

    assert result.data == {"leaf": {"name": "name!"}}


def test_documents_without_locations_are_kept_too() -> None:
    compiled = _installed()
    documents: list[DocumentNode] = [parse("{ number }", no_location=True) for _ in range(2)]

    for document in documents:
        assert isinstance(compiled.prepare(document), Prepared)

    assert compiled.stats.compiled == 1
