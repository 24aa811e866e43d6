"""BudgetMutations: the mutation that sets budgets."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

import strawberry

from engine.errors import InvalidInputError
from engine.money import DEFAULT_CURRENCY, Cost, to_nanos
from resolvers import budgets as resolvers
from schema.access import Info, mutation
from schema.answering import answering
from schema.budgets import Budget
from schema.enums import BudgetWindow, Scope
from schema.errors import UserError
from schema.nodes import row_id
from schema.scalars import URL
from schema.types import given, input_type, object_type

LIMIT = ("input", "limit")


@input_type
class MoneyInput:
    """An exact amount."""

    amount: Decimal = strawberry.field(description="In units of the currency, with at most nine decimals.")
    currency: str = strawberry.field(default=DEFAULT_CURRENCY, description="ISO 4217: three capital letters.")

    def value(self, path: tuple[str, ...]) -> Cost:
        """Returns the amount as the engine takes it."""
        if not re.fullmatch("[A-Z]{3}", self.currency):
            message = "A currency has three capital letters, as USD."
            raise InvalidInputError(message, path=(*path, "currency"), constraint="ISO 4217")
        try:
            return Cost(to_nanos(self.amount), self.currency)
        except ValueError:
            message = "An amount has at most nine decimals."
            raise InvalidInputError(message, path=(*path, "amount"), constraint="decimals: 9") from None


@input_type
class SetBudgetInput:
    """A budget of the project or of one of its keys; each has one for a window at most."""

    api_key_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The key's global id; the whole project, if left out."
    )
    window: BudgetWindow = strawberry.field(description="How long it is for.")
    limit: MoneyInput | None = strawberry.field(
        default=strawberry.UNSET, description="From 0 to 1000000000; null takes the budget away."
    )
    callback_url: URL | None = strawberry.field(
        default=strawberry.UNSET,
        description="Gets the webhook `budget.threshold` once in a window at 50, 80 and 100 percent.",
    )


@object_type
class SetBudgetPayload:
    """The budget as it is now."""

    budget: Budget | None = strawberry.field(default=None, description="Null if refused, or taken away.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it was refused.")


@strawberry.type(description="What can be done with budgets.")
class BudgetMutations:
    """The part of the mutation root that is about budgets."""

    @mutation(
        Scope.KEYS_ADMIN,
        "Sets a budget, or takes it away. A new one counts what begins from now on; one that is there "
        "keeps what was spent, unless its currency changes.",
    )
    @answering(SetBudgetPayload)
    async def set_budget(
        self,
        info: Info,
        input: Annotated[SetBudgetInput, strawberry.argument(description="Which budget.")],
    ) -> SetBudgetPayload:
        """Sets a budget."""
        key, limit = given(input.api_key_id), given(input.limit)
        found = await resolvers.set_budget(
            info.context,
            None if key is None else row_id(key, "ApiKey", path=("input", "apiKeyId")),
            input.window,
            None if limit is None else limit.value(LIMIT),
            given(input.callback_url),
        )
        return SetBudgetPayload(budget=None if found is None else Budget.from_value(found))
