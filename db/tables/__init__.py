"""One module per noun; importing this package knows every table."""

from db.tables.keys import ApiKeyRow, ProjectRow
from db.tables.models import ModelRow, ModelVersionRow, PriceRow
from db.tables.predictions import PredictionRow

__all__ = ["ApiKeyRow", "ModelRow", "ModelVersionRow", "PredictionRow", "PriceRow", "ProjectRow"]
