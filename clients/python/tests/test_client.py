"""The client against answers that a test lays out: what it repeats, what it raises, what it sends. No network, no service."""

import base64
import hashlib
import hmac
import inspect
import json
import typing
import unittest
import unittest.mock
from datetime import datetime, timedelta, timezone

import lovage
from fake_service import Answer, FakeService, problem, task
from lovage import Client


def setUpModule() -> None:
    # No pause between two tries is longer than the service asks for.
    pauses = unittest.mock.patch("random.random", return_value=0.0)
    pauses.start()
    unittest.addModuleCleanup(pauses.stop)


def client_of(service: FakeService, **options: typing.Any) -> Client:
    return Client(service.url, api_key="key", **options)


class Repeating(unittest.TestCase):
    def test_a_submission_is_repeated_under_one_key_after_a_cut_connection_a_429_and_a_502(self) -> None:
        answers = [Answer(cut=-1), Answer(202, task("queued"), cut=10), Answer(429, problem(429), {"Retry-After": "0"})]
        with FakeService(*answers, Answer(502, b"<html>"), Answer(202, task("queued"))) as service:
            self.assertEqual(client_of(service).submit("t", {"x": 1}).state, "queued")
        self.assertEqual(len({asked.headers["idempotency-key"] for asked in service.asked}), 1)
        self.assertEqual([json.loads(asked.body) for asked in service.asked], [{"task": "t", "input": {"x": 1}}] * 5)
        self.assertEqual(service.asked[0].headers["authorization"], "Bearer key")

    def test_what_could_do_something_twice_is_repeated_only_after_answers_that_say_that_nothing_was_done(self) -> None:
        with FakeService(Answer(503, problem(503)), Answer(202, task("queued")), Answer(cut=-1)) as service:
            client = client_of(service)
            self.assertEqual(client.retry("task_1").state, "queued")
            with self.assertRaises(lovage.ConnectionError):
                client.signal("task_1", "go/now", {"x": 1})
        self.assertEqual(len(service.asked), 3)
        self.assertEqual(service.asked[2].path, "/v1/tasks/task_1/signals/go%2Fnow")

    def test_it_gives_up_after_so_many_tries_and_where_the_service_wants_to_be_left_alone_for_long(self) -> None:
        late = Answer(429, problem(429, "rate-limited"), {"Retry-After": "61"})
        with FakeService(*[Answer(503, problem(503))] * 3, late) as service:
            with self.assertRaises(lovage.LovageProblem) as raised:
                client_of(service, retries=2).get("task_1")
            self.assertEqual((raised.exception.status, len(service.asked)), (503, 3))
            with self.assertRaises(lovage.RateLimitedError) as limited:
                client_of(service).get("task_1")
            self.assertEqual((limited.exception.retry_after, len(service.asked)), (61.0, 4))

    def test_a_delete_that_was_done_by_an_earlier_try_is_done(self) -> None:
        with FakeService(Answer(cut=-1), Answer(404, problem(404)), Answer(404, problem(404))) as service:
            client = client_of(service)
            client.delete("task_1")
            with self.assertRaises(lovage.NotFoundError):
                client.delete("task_1")

    def test_no_redirect_takes_the_key_away(self) -> None:
        with FakeService(Answer(302, None, {"Location": "http://127.0.0.1:1/"})) as service:
            with self.assertRaises(lovage.LovageProblem) as raised:
                client_of(service).get("task_1")
        self.assertEqual(raised.exception.status, 302)


class Problems(unittest.TestCase):
    def test_they_are_told_apart_and_say_where(self) -> None:
        faults = [{"pointer": "/input/name", "detail": "expected string"}]
        kinds = [
            (401, lovage.UnauthorizedError),
            (404, lovage.NotFoundError),
            (409, lovage.ConflictError),
            (410, lovage.NotFoundError),
            (422, lovage.InvalidInputError),
            (400, lovage.LovageProblem),
        ]
        answers = [Answer(status, problem(status, errors=faults), {"Request-Id": "r1"}) for status, _ in kinds]
        with FakeService(*answers) as service:
            for status, kind in kinds:
                with self.assertRaises(kind) as raised:
                    client_of(service).get("task_1")
                error = raised.exception
                self.assertEqual((error.status, error.name, error.request_id), (status, "some-problem", "r1"))
                self.assertEqual(error.errors, [lovage.Fault("/input/name", "expected string")])
                self.assertIn("/input/name: expected string", str(error))

    def test_an_answer_in_other_words_is_one_too(self) -> None:
        with FakeService(Answer(418, b"<h1>no</h1>")) as service:
            with self.assertRaises(lovage.LovageProblem) as raised:
                client_of(service).get("task_1")
        self.assertEqual((raised.exception.name, raised.exception.status), ("http-418", 418))


class Waiting(unittest.TestCase):
    def test_it_waits_over_answers_that_are_no_end(self) -> None:
        with FakeService(Answer(200, task("running")), Answer(cut=-1), Answer(200, task())) as service:
            self.assertEqual(client_of(service).wait("task_1"), 3)
        self.assertEqual({asked.headers["prefer"] for asked in service.asked}, {"wait=25"})

    def test_it_raises_how_a_task_ended(self) -> None:
        why = {"type": "TypeError", "message": "no such thing"}
        ends = [
            ("failed", lovage.TaskFailedError),
            ("cancelled", lovage.TaskCancelledError),
            ("expired", lovage.TaskExpiredError),
        ]
        with FakeService(*[Answer(200, task(state, error=why)) for state, _ in ends]) as service:
            for _, kind in ends:
                with self.assertRaises(kind) as raised:
                    client_of(service).wait("task_1")
                self.assertEqual(raised.exception.task.error.type, "TypeError")
                self.assertIn("no such thing", str(raised.exception))

    def test_it_ends_within_the_time_given(self) -> None:
        with FakeService(*[Answer(200, task("running"))] * 9) as service:
            with self.assertRaises(lovage.WaitTimeoutError):
                client_of(service).wait("task_1", within="100ms")
            with self.assertRaises(lovage.WaitTimeoutError):
                client_of(service).run("t", within=timedelta(0))
            with self.assertRaisesRegex(ValueError, "timedelta"):
                client_of(service).wait("task_1", within=30)  # type: ignore[arg-type]


class Following(unittest.TestCase):
    def test_a_stream_that_is_cut_goes_on_after_the_last_event(self) -> None:
        def event(seq: int, kind: str, data: typing.Any) -> bytes:
            body = json.dumps({"seq": seq, "type": kind, "at": "2026-11-01T12:00:00.000Z", "data": data})
            return f": comment\nid: {seq}\nevent: {kind}\ndata: {body}\n\n".encode()

        progress = {"done": 1, "total": 2, "percent": 50, "message": None, "data": None, "at": "2026-11-01T12:00:00Z"}
        first = event(3, "state", {"state": "running", "attempt": 1}) + event(5, "progress", progress)
        second = event(5, "progress", progress) + event(7, "output", "x") + event(8, "done", task())
        with FakeService(Answer(200, first + second, cut=len(first) + 60), Answer(200, second)) as service:
            events = list(client_of(service).events("task_1", after=2))
        self.assertEqual([(each.seq, each.type) for each in events], [(3, "state"), (5, "progress"), (7, "output"), (8, "done")])
        self.assertEqual(events[1].data.percent, 50)
        self.assertEqual(events[3].data.result, 3)
        self.assertEqual([asked.headers["last-event-id"] for asked in service.asked], ["2", "5"])

    def test_after_the_last_event_the_task_itself_tells_its_end(self) -> None:
        with FakeService(Answer(200, b""), Answer(200, task(finishedAt="2026-11-01T12:00:01.000Z"))) as service:
            events = list(client_of(service).events("task_1", after=9))
        self.assertEqual([(each.seq, each.type) for each in events], [(9, "done")])
        self.assertEqual(events[0].at, datetime(2026, 11, 1, 12, 0, 1, tzinfo=timezone.utc))


class Sending(unittest.TestCase):
    def test_options_have_pythons_names_and_values(self) -> None:
        with FakeService(Answer(202, task("queued"))) as service:
            client_of(service).submit(
                "t",
                delay=timedelta(minutes=1),
                expires_at=datetime(2026, 11, 1, 13, tzinfo=timezone(timedelta(hours=1))),
                max_attempts=3,
                tags={"some_name": "1"},
                debounce={"key": "k", "wait": "1s", "max_wait": timedelta(seconds=5)},
                idempotency_key="mine",
                traceparent="00-1",
            )
        self.assertEqual(
            json.loads(service.asked[0].body),
            {
                "task": "t",
                "options": {
                    "delay": 60_000,
                    "expiresAt": "2026-11-01T12:00:00.000Z",
                    "maxAttempts": 3,
                    "tags": {"some_name": "1"},
                    "debounce": {"key": "k", "wait": "1s", "maxWait": 5_000},
                },
            },
        )
        self.assertEqual(service.asked[0].headers["idempotency-key"], "mine")
        self.assertEqual(service.asked[0].headers["traceparent"], "00-1")

    def test_what_cannot_be_meant_is_refused_before_it_is_sent(self) -> None:
        client = Client("http://127.0.0.1:1")
        with self.assertRaisesRegex(TypeError, "max_atempts.*did you mean 'max_attempts'"):
            client.submit("t", max_atempts=3)  # type: ignore[call-arg]
        with self.assertRaisesRegex(ValueError, "time zone"):
            client.submit("t", run_at=datetime(2026, 11, 1))
        with self.assertRaises(ValueError):
            client.submit("t", float("nan"))
        with self.assertRaisesRegex(ValueError, "https://"):
            Client("file:///etc/passwd")

    def test_a_bulk_verb_goes_on_to_the_end_and_sums_up(self) -> None:
        part = {"matched": 2, "changed": 1, "nextCursor": "c"}
        with FakeService(Answer(200, part), Answer(200, {"matched": 1, "changed": 1})) as service:
            total = client_of(service).cancel_all(state=["queued"], created_after="2026-11-01T12:00:00Z")
        self.assertEqual(total, lovage.BulkResult(3, 2))
        body = json.loads(service.asked[1].body)
        self.assertEqual(body["filter"], {"state": ["queued"], "createdAfter": "2026-11-01T12:00:00Z"})
        self.assertEqual(body["cursor"], "c")


class Webhooks(unittest.TestCase):
    def test_only_what_was_signed_with_the_secret_lately_is_let_through(self) -> None:
        key, body, stamp = b"0123456789", b'{"type":"task.failed"}', "1000"
        mac = base64.b64encode(hmac.new(key, b"msg_1.1000." + body, hashlib.sha256).digest()).decode()
        secret = "whsec_" + base64.b64encode(key).decode()
        headers = {"Webhook-Id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1,{mac}"}
        self.assertEqual(lovage.verify_webhook(secret, headers, body, now=1_300)["type"], "task.failed")
        for bad in (
            dict(now=1_301),
            dict(now=1_000, body=body + b" "),
            dict(now=1_000, secret="whsec_AAAA"),
            dict(now=1_000, headers={}),
        ):
            with self.assertRaises(lovage.WebhookVerificationError):
                lovage.verify_webhook(**{"secret": secret, "headers": headers, "body": body, **bad})


class Types(unittest.TestCase):
    def test_every_annotation_can_be_read(self) -> None:
        read = 0
        for name in lovage.__all__:
            value = getattr(lovage, name)
            methods = vars(value).values() if inspect.isclass(value) else [value]
            for each in [value, *methods]:
                if inspect.isclass(each) or inspect.isfunction(each):
                    read += len(typing.get_type_hints(each))
        self.assertGreater(read, 200)


if __name__ == "__main__":
    unittest.main()
