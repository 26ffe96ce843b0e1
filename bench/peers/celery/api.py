"""The contract of bench/subjects/neutral.ts by FastAPI, in front of Celery. Its routes are plain functions, which FastAPI runs in
threads, because Celery's client blocks."""
from typing import Optional

from celery import chain, chord
from celery.exceptions import TimeoutError as TookTooLong
from fastapi import FastAPI
from pydantic import BaseModel

from tasks import after, app as celery, noop

api = FastAPI()
many = []


class Submission(BaseModel):
    name: str
    input: dict = {}


class Size(BaseModel):
    n: int


@api.post("/tasks", status_code=202)
def submit(submission: Submission):
    return {"id": celery.send_task(submission.name, args=[submission.input]).id}


@api.get("/tasks/{id}")
def look(id: str, wait: Optional[int] = None):
    result = celery.AsyncResult(id)
    if wait:
        try:
            # Waits for the end by Redis' publish and subscribe.
            result.get(timeout=wait / 1000, propagate=False)
        except TookTooLong:
            pass
    # One read of the task's key.
    meta = celery.backend.get_task_meta(id)
    failed = meta["status"] == "FAILURE"
    return {
        "id": id,
        "state": meta["status"],
        "result": None if failed else meta["result"],
        "error": str(meta["result"]) if failed else None,
    }


@api.post("/bulk", status_code=202)
def bulk(size: Size):
    # Celery publishes messages one by one; the best that it offers is one connection for all of them.
    with celery.producer_pool.acquire(block=True) as producer:
        for _ in range(size.n):
            many.append(celery.send_task("noop", args=[{}], producer=producer).id)
    return {"n": size.n}


@api.get("/open")
def count_open():
    keys = [celery.backend.get_key_for_task(id) for id in many]
    ended = 0
    for start in range(0, len(keys), 1000):
        ended += celery.backend.client.exists(*keys[start : start + 1000])
    return {"open": len(keys) - ended}


@api.post("/forget")
def forget():
    many.clear()
    return {}


@api.post("/chain", status_code=202)
def run_chain(size: Size):
    return {"id": chain(*[noop.si() for _ in range(size.n)]).apply_async().id}


@api.post("/chord", status_code=202)
def run_chord(size: Size):
    return {"id": chord([noop.si() for _ in range(size.n)])(after.s()).id}
