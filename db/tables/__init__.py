"""One module per noun; importing this package knows every table."""

from db.tables.aliases import AliasChangeRow, ModelAliasRow
from db.tables.audit import AuditRow
from db.tables.budgets import BudgetHoldRow, BudgetRow
from db.tables.idempotency import IdempotencyRow
from db.tables.jobs import ChunkRow, JobRow, UploadRow
from db.tables.keys import ApiKeyRow, ProjectRow, RetiredSecretRow
from db.tables.models import ModelRow, ModelVersionRow, PriceRow, RegistryRow
from db.tables.predictions import NewPrediction, PredictionRow
from db.tables.secrets import SecretRow
from db.tables.usage import DailyRollupRow, RollupRow, UsageRow
from db.tables.users import RefreshTokenRow, SessionRow, UserRow
from db.tables.webhooks import WebhookDeliveryRow, WebhookSecretRow

__all__ = [
    "AliasChangeRow",
    "ApiKeyRow",
    "AuditRow",
    "BudgetHoldRow",
    "BudgetRow",
    "ChunkRow",
    "DailyRollupRow",
    "IdempotencyRow",
    "JobRow",
    "ModelAliasRow",
    "ModelRow",
    "ModelVersionRow",
    "NewPrediction",
    "PredictionRow",
    "PriceRow",
    "ProjectRow",
    "RefreshTokenRow",
    "RegistryRow",
    "RetiredSecretRow",
    "RollupRow",
    "SecretRow",
    "SessionRow",
    "UploadRow",
    "UsageRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookSecretRow",
]
