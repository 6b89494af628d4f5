"""The API: saves the upload, sends a task, looks at its state."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from celery.result import AsyncResult
from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse

from benchmarks.rivals.prototype.worker import aggregate, celery

__all__ = ["app"]

app = FastAPI()
_folder = Path(os.environ["FOLDER"])
_results: dict[str, AsyncResult[Any]] = {}


@app.post("/process_csv")
def process_csv(file: UploadFile) -> dict[str, str]:
    """Take a file; the id of its task."""
    task_id = os.urandom(16).hex()
    source = _folder / f"{task_id}.csv"
    with source.open("wb") as copy:
        shutil.copyfileobj(file.file, copy, 1 << 20)
    result = _folder / f"{task_id}-totals.csv"
    aggregate.apply_async((str(source), str(result)), task_id=task_id)
    _results[task_id] = AsyncResult(task_id, app=celery)
    return {"task_id": task_id}


@app.get("/result/{task_id}", response_model=None)
def get_result(task_id: str) -> FileResponse | dict[str, str]:
    """The totals, or the state of the task."""
    state = _results[task_id].state
    if state != "SUCCESS":
        return {"state": state, "message": "None"}
    return FileResponse(_folder / f"{task_id}-totals.csv", media_type="text/csv")
