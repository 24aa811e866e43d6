"""What limits and budgets cost a prediction in statements: nothing unused, and no transaction."""

from __future__ import annotations

from engine.limits.tiers import Tier
from tests.engine.limits.money import set_budget
from tests.engine.workshop import Workshop, request
from tests.statements import recorded

TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "ROLLBACK")


async def statements_of_a_prediction(workshop: Workshop, x: float) -> tuple[list[str], int]:
    """Returns the verbs and tables of the statements of one prediction, and how many times was committed."""
    with recorded(workshop.database) as statements:
        row = await workshop.ask(request(x))
    assert row.status == "SUCCEEDED"
    commits = sum(statement.startswith("COMMIT") for statement in statements)
    return [each for each in statements if not each.startswith(TRANSACTIONS)], commits


async def test_limits_cost_no_statement_and_budgets_no_commit(workshop: Workshop) -> None:
    await workshop.predict(0)  # reads what is known from then on
    plain, commits = await statements_of_a_prediction(workshop, 1)
    workshop.tiers["free"] = Tier(requests=1000, query_cost=1000, tokens=1000, concurrency=10)
    limited, limited_commits = await statements_of_a_prediction(workshop, 2)
    await set_budget(workshop, 10**9)
    budgeted, budgeted_commits = await statements_of_a_prediction(workshop, 3)

    assert (limited, limited_commits) == (plain, commits)
    assert budgeted_commits == commits == 2
    more = [each.split()[:3] for each in budgeted if "budget" in each]
    assert more == [
        ["UPDATE", "budget", "SET"],
        ["INSERT", "INTO", "budget_hold"],
        ["UPDATE", "budget", "SET"],
        ["DELETE", "FROM", "budget_hold"],
    ]
    assert len(budgeted) == len(plain) + len(more)
