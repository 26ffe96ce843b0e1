"""The tasks that the measures submit, for Celery's worker."""
import os
import time

from celery import Celery

app = Celery("tasks", broker=os.environ["REDIS_URL"] + "/0", backend=os.environ["REDIS_URL"] + "/1")
app.conf.update(
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    result_expires=3600,
)


@app.task(name="noop")
def noop(given=None):
    return None


@app.task(name="sleep")
def sleep(given):
    time.sleep(given["ms"] / 1000)
    return None


@app.task(name="after")
def after(results):
    return None
