"""The peer of the service's benchmark: endpoints of the same shape that only read the request and answer.

python benchmarks/peers/bare_service.py PORT
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

from backend.contributions.schemas import Submission

app = FastAPI()


@app.get("/ready")
def ready() -> dict[str, str]:
    """It runs."""
    return {"status": "ok"}


@app.post("/v1/contributions", status_code=201)
def submit(submission: Submission) -> dict[str, Any]:
    """What is said about a submission before anything is known about it."""
    return {"receipts": [], "next": submission.first + len(submission.leaves)}


@app.get("/v1/jobs/{job_id}")
def read_job(job_id: int) -> dict[str, int]:
    """No job."""
    return {"id": job_id}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="error")
