"""The client against a service, with its fixture tasks: LOVAGE_URL and API_KEY say which."""

import os
import time
import unittest
from datetime import timedelta
from typing import Any, Dict, List

import lovage
from lovage import Client, chain, chord, dag, from_node, group, map_task, previous, task


@unittest.skipUnless("LOVAGE_URL" in os.environ, "needs a service: set LOVAGE_URL and API_KEY")
class Service(unittest.TestCase):
    def setUp(self) -> None:
        self.client = Client(os.environ["LOVAGE_URL"], api_key=os.environ["API_KEY"])

    def test_tasks(self) -> None:
        client = self.client
        submitted = client.submit("test.add", {"x": 1, "y": 2}, tags={"of": "python"}, idempotency_key="python-1")
        again = client.submit("test.add", {"x": 1, "y": 2}, tags={"of": "python"}, idempotency_key="python-1")
        self.assertEqual(again.id, submitted.id)
        self.assertEqual((client.wait(submitted), client.wait(submitted.id)), (3, 3))
        ended = client.get(submitted)
        self.assertEqual([each.outcome for each in ended.attempts or []], ["succeeded"])
        assert ended.finished_at is not None
        self.assertGreaterEqual(ended.finished_at, ended.created_at)
        self.assertEqual([each.id for each in client.list(tags={"of": "python"}, created_before=ended.finished_at)], [ended.id])
        client.delete(ended)
        with self.assertRaises(lovage.NotFoundError):
            client.get(ended)

    def test_ends(self) -> None:
        client = self.client
        failed = client.submit("test.fail", {"message": "as asked", "retryable": False})
        with self.assertRaises(lovage.TaskFailedError) as raised:
            client.wait(failed)
        self.assertEqual(raised.exception.task.error.message, "as asked")
        self.assertEqual(client.retry(failed).state, "queued")
        later = client.submit("test.noop", delay="1h")
        self.assertEqual(client.explain(later)["reasons"][0]["code"], "scheduled")
        self.assertEqual(client.cancel(later, reason="not wanted").state, "cancelled")
        with self.assertRaises(lovage.TaskCancelledError):
            client.wait(later)
        with self.assertRaises(lovage.InvalidInputError) as invalid:
            client.submit("test.big", {"bytes": -1})
        self.assertEqual(invalid.exception.errors[0].pointer, "/input/bytes")
        with self.assertRaises(lovage.UnauthorizedError):
            Client(os.environ["LOVAGE_URL"], api_key="another").get(later)

    def test_signals_and_time(self) -> None:
        waiting = self.client.submit("test.signal", {"name": "go"})
        with self.assertRaises(lovage.WaitTimeoutError):
            self.client.wait(waiting, within="300ms")
        self.client.signal(waiting, "go", {"who": "all"})
        self.assertEqual(self.client.wait(waiting), {"who": "all"})

    def test_batches_and_bulk(self) -> None:
        tags = {"of": "python-batch"}
        items = self.client.batch(
            [{"task": "test.noop", "options": {"delay": "1h", "tags": tags}}] * 3 + [{"task": "test.big", "input": {"bytes": -1}}]
        )
        self.assertEqual([each.task is None for each in items], [False, False, False, True])
        self.assertIsInstance(items[3].problem, lovage.InvalidInputError)
        pages = self.client.list(tags=tags, limit=2)
        self.assertEqual({each.id for each in pages}, {each.task.id for each in items if each.task})
        self.assertEqual(self.client.cancel_all(tags=tags, dry_run=True), lovage.BulkResult(3, 0))
        self.assertEqual(self.client.cancel_all(tags=tags), lovage.BulkResult(3, 3))
        self.assertEqual({each.state for each in pages}, {"cancelled"})

    def test_events(self) -> None:
        submitted = self.client.submit("test.progress", {"steps": 3, "ms": 300})
        events = list(self.client.events(submitted))
        self.assertEqual([each.data.done for each in events if each.type == "progress"], [1, 2, 3])
        self.assertEqual((events[-1].type, events[-1].data.result), ("done", 3))
        rest = list(self.client.events(submitted, after=events[1].seq))
        self.assertEqual([each.seq for each in rest], [each.seq for each in events[2:]])

    def test_flows(self) -> None:
        flows = self.client.flows
        one, two = task("test.add", {"x": 1, "y": 2}), task("test.add", {"x": 3, "y": 4})
        self.assertEqual(flows.run(chord([one, two], task("test.sum"))), 10)
        self.assertEqual(flows.run(chain(one, task("test.add", {"x": previous(), "y": 5}))), 8)
        self.assertEqual(flows.run(group(one, map_task("test.add", [{"x": 1, "y": 1}], lane="bulk"))), [3, [2]])
        graph = dag({"a": {"node": one}, "b": {"node": task("test.add", {"x": from_node("a"), "y": 1}), "needs": ["a"]}})
        flow = flows.submit(graph, deadline="1h")
        self.assertEqual(flows.wait(flow), {"b": 4})
        self.assertEqual([each.key for each in flows.nodes(flow, limit=1)], ["a", "b"])
        self.assertEqual([each.type for each in flows.events(flow)][-1], "done")
        self.assertIn(flow.id, [each.id for each in flows.list(state=["succeeded"], created_before=flow.created_at + timedelta(seconds=1))])
        failing = flows.submit(chain(task("test.fail", {"message": "no", "retryable": False}), one))
        with self.assertRaises(lovage.FlowEndedError):
            flows.wait(failing)
        self.assertEqual(flows.retry(failing).state, "running")
        self.assertEqual(flows.cancel(flows.submit(group(task("test.noop", delay="1h"))), reason="no").state, "cancelled")
        flows.delete(flow)

    def test_before_the_start(self) -> None:
        client = self.client
        later = client.submit("test.identity", {"value": 1}, delay="1h", expires_in="2h", tags={"of": "python-change"})
        changed = client.change(later, input={"value": 2}, lane="bulk", tags={"of": "python-changed"}, max_attempts=7, expires_at=None)
        self.assertEqual((changed.lane, changed.tags, changed.max_attempts), ("bulk", {"of": "python-changed"}, 7))
        self.assertIsNone(client.get(later).expires_at)
        self.assertIn("pausedAt", client.pause(later).raw)
        self.assertNotIn("pausedAt", client.resume(later).raw)
        client.run_now(later)
        self.assertEqual(client.wait(later), 2)
        with self.assertRaises(lovage.ConflictError):
            client.change(later, lane="high")
        self.assertEqual(list(client.deliveries(later)), [])

    def test_what_happens(self) -> None:
        client = self.client
        waiting = client.submit("test.signal", {"name": "python"})
        while waiting.id not in [each["taskId"] for each in client.waits()]:
            time.sleep(0.1)
        frames = client.feed()
        next(frames)
        failed = client.submit("test.fail", {"message": "of python", "retryable": False})
        seen = next(frame for frame in frames if failed.id in [each["id"] for each in frame["changed"]])
        frames.close()
        self.assertIn("live", seen["counts"])
        with self.assertRaises(lovage.TaskFailedError):
            client.wait(failed)
        groups: List[Dict[str, Any]] = []
        while not groups:
            time.sleep(0.1)
            groups = [each for each in client.errors.list(task="test.fail") if each["message"] == "of python"]
        self.assertEqual(client.errors.resolve(groups[0]["id"])["state"], "resolved")
        self.assertEqual(client.errors.ignore(groups[0]["id"], until_count=9)["state"], "ignored")
        self.assertEqual(len(client.series(span="1h", metric="ended")["items"]), 60)
        self.assertIn("verdict", client.report())
        client.cancel(waiting)

    def test_schedules(self) -> None:
        schedules = self.client.schedules
        put = schedules.put("python", every="1h", task="test.add", input={"x": 1, "y": 1}, options={"max_attempts": 2})
        self.assertEqual((put.every, put.options, len(put.next_runs)), ("1h", {"maxAttempts": 2}, 10))
        self.assertTrue(schedules.pause("python").paused)
        self.assertFalse(schedules.resume("python").paused)
        self.assertEqual(self.client.wait(schedules.run("python")), 2)
        self.assertIn("python", [each.id for each in schedules.list()])
        schedules.delete("python")
        with self.assertRaises(lovage.NotFoundError):
            schedules.get("python")


if __name__ == "__main__":
    unittest.main()
