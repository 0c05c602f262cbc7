"""Run by alembic, on the connection that `backend.migrations` hands it."""

from alembic import context
from sqlmodel import SQLModel

from backend.batches import models as _batches  # noqa: F401  each import registers its tables
from backend.contributions import models as _contributions  # noqa: F401
from backend.evidence import models as _evidence  # noqa: F401
from backend.identity import models as _identity  # noqa: F401
from backend.indexer import models as _indexer  # noqa: F401
from backend.sources import models as _sources  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,
)
context.run_migrations()
