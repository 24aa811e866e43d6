"""A compiled executor for Strawberry schemas.

    schema = strawberry.Schema(Query, Mutation, Subscription)
    executor.install(schema)

After that `schema.execute`, `schema.execute_sync`, `schema.subscribe` and the transports run each operation
as one generated function instead of walking the document for each object. What the compiler does not know,
graphql-core runs. See docs/executor.md.
"""

from executor.compiler import Prepared
from executor.extension import ExecutorExtension
from executor.keeping import Bind, Unchanging, bound, keyed
from executor.reading import Reading
from executor.schema import CompiledSchema, install
from executor.selection import selected
from executor.stats import Execution, Observer, Stats, last_execution

__all__ = [
    "Bind",
    "CompiledSchema",
    "Execution",
    "ExecutorExtension",
    "Observer",
    "Prepared",
    "Reading",
    "Stats",
    "Unchanging",
    "bound",
    "install",
    "keyed",
    "last_execution",
    "selected",
]
