"""Explanations: how much each feature moved an answer."""

from __future__ import annotations

from typing import Any, Self

import strawberry

from schema.enums import ExplanationMethod
from schema.scalars import JSON
from schema.types import object_type


@object_type
class FeatureAttribution:
    """How much one feature moved the answer."""

    feature: str = strawberry.field(description="The name of the feature.")
    value: float = strawberry.field(description="In units of the answer: probability, or the value's unit.")
    feature_value: JSON | None = strawberry.field(description="What the record had for it.")


@object_type
class RecordExplanation:
    """The explanation of one record's answer."""

    attributions: list[FeatureAttribution] = strawberry.field(
        description="The largest first, in either sign."
    )


@object_type
class Explanation:
    """Why this output: attributions for each feature, the largest first."""

    method: ExplanationMethod = strawberry.field(description="How they were found.")
    baseline: float | None = strawberry.field(description="The answer for the mean record.")
    records: list[RecordExplanation] = strawberry.field(description="One for each record, in the same order.")

    @classmethod
    def from_json(cls, explanation: dict[str, Any]) -> Self:
        """Shapes a stored explanation."""
        return cls(
            method=ExplanationMethod(explanation["method"]),
            baseline=explanation["baseline"],
            records=[
                RecordExplanation(
                    attributions=[
                        FeatureAttribution(
                            feature=each["feature"], value=each["value"], feature_value=each["featureValue"]
                        )
                        for each in record["attributions"]
                    ]
                )
                for record in explanation["records"]
            ],
        )
