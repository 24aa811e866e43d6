"""Jobs: taking them in, controlling them, and finding them again."""

from __future__ import annotations

from datetime import timedelta

from db.filters import JobFilter
from db.pages import Page, Window
from db.queries import jobs as queries
from db.tables import JobRow, UploadRow
from engine.jobs.downloads import results_path
from engine.values import BatchRequest
from resolvers.context import Context
from resolvers.loaders import JobCountOf, JobsOf
from resolvers.sight import seen

RESULTS_LIFETIME = timedelta(hours=1)


async def submit(context: Context, request: BatchRequest) -> tuple[JobRow, bool]:
    """Takes in a batch; True with it if an earlier request had made it."""
    return await context.services.jobs.batches.submit(context.viewer, request, context.request_id)


async def cancel(context: Context, job_id: str) -> JobRow:
    """Cancels a job of the project."""
    return await context.services.jobs.control.cancel(context.viewer, job_id)


async def pause(context: Context, job_id: str) -> JobRow:
    """Pauses a job of the project."""
    return await context.services.jobs.control.pause(context.viewer, job_id)


async def resume(context: Context, job_id: str) -> JobRow:
    """Resumes a job of the project."""
    return await context.services.jobs.control.resume(context.viewer, job_id)


async def retry(context: Context, job_id: str, *, permanent_too: bool) -> JobRow:
    """Queues failed items of a job of the project again."""
    return await context.services.jobs.control.retry(context.viewer, job_id, permanent_too=permanent_too)


async def create_upload(
    context: Context, filename: str, byte_size: int, sha256: str | None
) -> tuple[UploadRow, str]:
    """Returns a new upload and the address to put it at."""
    return await context.services.jobs.uploads.create(context.viewer, filename, byte_size, sha256)


async def jobs_page(
    context: Context, wanted: JobFilter, order: str, descending: bool, window: Window
) -> Page[JobRow]:
    """Returns a page of the project's jobs and tells the loaders of them."""
    sorting = queries.order(order, descending=descending)
    wanted = seen(context.viewer, wanted)
    async with context.services.database.read() as connection:
        page = await queries.page(connection, context.viewer.project_id, wanted, sorting, window)
    for row in page.rows:
        context.loaders.job.prime(row.id, row)
    return page


async def count_jobs(context: Context, wanted: JobFilter) -> int:
    """Counts the jobs that a page is a part of."""
    wanted = seen(context.viewer, wanted)
    async with context.services.database.read() as connection:
        return await queries.count(connection, context.viewer.project_id, wanted)


async def jobs_of_model(
    context: Context, model_id: str, wanted: JobFilter, order: str, descending: bool, window: Window
) -> Page[JobRow]:
    """Returns a page of the project's jobs for a model and tells the loaders of them."""
    sorting = queries.order(order, descending=descending)
    page = await context.loaders.jobs_of.load(JobsOf(model_id, wanted, sorting, window))
    for row in page.rows:
        context.loaders.job.prime(row.id, row)
    return page


async def count_jobs_of_model(context: Context, model_id: str, wanted: JobFilter) -> int:
    """Counts the jobs that such a page is a part of."""
    return await context.loaders.job_count.load(JobCountOf(model_id, wanted))


def results_url(context: Context, job_id: str) -> str:
    """Returns a signed address of a job's results."""
    return context.services.jobs.links.sign("GET", results_path(job_id), RESULTS_LIFETIME)[0]
