"""The worker: a Celery task that has Dask do the work."""

from __future__ import annotations

import os

import dask
from celery import Celery
from dask import dataframe as dd

__all__ = ["aggregate", "celery"]

celery = Celery("prototype", broker=os.environ["BROKER_URL"], backend="rpc://")
celery.conf.update(result_persistent=False, worker_prefetch_multiplier=1)
dask.config.set(scheduler="threads")


@celery.task
def aggregate(source: str, result: str) -> None:
    """Totals of ``source`` into ``result``."""
    frame = dd.read_csv(source, dtype={"Song": "str", "Date": "str", "Number of Plays": "int64"})
    totals = frame.groupby(["Song", "Date"], sort=False)["Number of Plays"].sum()
    totals.rename("Total Number of Plays for Date").to_csv(result, single_file=True)
