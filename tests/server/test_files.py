"""Files and batches through the gateway: the official SDKs, the owner of each id, model names, and costs."""

import io
import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import anthropic
import openai
import pytest

from nexus.accounting import ledger
from nexus.accounting.database import DatabaseError
from nexus.accounting.record import AttemptRecord, CallRecord
from nexus.gateway import late_usage
from nexus.relay import files
from tests.conftest import Serve
from tests.serving import ALICE, BOB, KEY, Nexus, Reply, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream

READER = "nx-hushhush-carol-0123456789abcde"
KEYS = f"""
[server.keys.alice]
key = "{ALICE}"
[server.keys.bob]
key = "{BOB}"
[server.keys.reader]
key = "{READER}"
group = "finance"
"""
USAGE = '[usage]\nstore = "sqlite:///usage.sqlite3"\nreaders = ["finance"]\n'
FILES = 'endpoints = ["files", "batches"]\n'


def config(openai_upstream: FakeUpstream | None, anthropic_upstream: FakeUpstream | None, more: str = "") -> str:
    text = KEYS + USAGE
    if openai_upstream is not None:
        text += f'[llm.providers.oai]\ntype = "openai"\napi_key = "{KEY}"\nbase_url = "{openai_upstream.base_url}"\n'
        text += FILES + more + '[llm.providers.oai.models]\n"gpt-4" = {}\nsmart = { rename = "gpt-4o" }\n'
    if anthropic_upstream is not None:
        url = anthropic_upstream.base_url
        text += f'[llm.providers.claude]\ntype = "anthropic"\napi_key = "{KEY}"\nbase_url = "{url}"\n{FILES}{more}'
        text += '[llm.providers.claude.models.sonnet]\nrename = "claude-sonnet-4-5"\n'
        text += "price = { input = 2, output = 10 }\n"
    return text


@pytest.fixture
def nexus(serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream) -> Nexus:
    return serve(config(openai_upstream, anthropic_upstream))


def oai(nexus: Nexus, key: str = ALICE) -> openai.OpenAI:
    return openai.OpenAI(base_url=nexus.openai, api_key=key, max_retries=0)


def claude(nexus: Nexus, key: str = ALICE) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=nexus.anthropic, api_key=key, max_retries=0)


def ask(nexus: Nexus, method: str, path: str, key: str = ALICE, body: Any = None, **more: str) -> Reply:
    headers = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in more.items()}}
    if body is None:
        return nexus.request(method, path, headers=headers)
    return nexus.request(method, path, json.dumps(body).encode(), {**headers, "Content-Type": "application/json"})


def requests_file(*models: str, **more: Any) -> bytes:
    lines = [
        json.dumps(
            {
                "custom_id": f"r{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more},
            }
        )
        for number, model in enumerate(models)
    ]
    return "\r\n".join(lines).encode() + b"\n"


def entry(number: int, model: str, **more: Any) -> Any:
    said = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], **more}
    return {"custom_id": f"r{number}", "params": said}


def about_file(model: str, id: str) -> Any:
    document = {"type": "document", "source": {"type": "file", "file_id": id}}
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": [document]}]}


def booked(records: list[CallRecord]) -> list[AttemptRecord]:
    """The recorded usage of batch requests."""
    return [one for record in records for one in record.attempts if "requests" in (one.raw_usage or {})]


_FILE = [{"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "ID"}]}]
_CONTAINER = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["ID"]}}
RESPONSES_FILES: dict[str, tuple[str, Any]] = {
    "a message": ("responses", {"input": _FILE}),
    "a tool": ("responses", {"input": "Hi", "tools": [_CONTAINER]}),
    "counting": ("responses/input_tokens", {"input": _FILE}),
    "a conversation": ("conversations", {"items": _FILE}),
}


class TestOpenAI:
    def test_the_sdk_supports_every_operation(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        body = requests_file("oai/smart", "oai/gpt-4", "oai/smart")
        with oai(nexus) as client:
            file = client.files.create(file=("a.jsonl", body), purpose="batch")
            made = client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            assert made.model == "oai/smart"
            assert client.batches.retrieve(made.id).status == "validating"
            openai_upstream.files.run(made.id, Behaviour(), Behaviour(), Behaviour(status=400))
            over = client.batches.retrieve(made.id)
            assert over.output_file_id and over.error_file_id
            results = [json.loads(line) for line in client.files.content(over.output_file_id).text.splitlines()]
            assert [line["response"]["body"]["model"] for line in results] == ["oai/smart", "oai/gpt-4"]
            assert client.files.content(over.error_file_id).read().count(b"\n") == 1
            assert client.files.content(file.id).read() == body, "as it was uploaded"
            assert client.batches.cancel(made.id).status == "cancelling"
            assert [one.id for one in client.batches.list()] == [made.id]
            ids = {one.id for one in client.files.list()}
            assert ids == {file.id, over.output_file_id, over.error_file_id}
            assert [one.id for one in client.files.list(purpose="batch")] == [file.id]
            assert client.files.delete(file.id).deleted
            with pytest.raises(openai.NotFoundError):
                client.files.retrieve(file.id)
        sent = openai_upstream.files.things
        assert all(one.key == KEY for one in sent.values())
        assert openai_upstream.violations == []

    def test_an_upload_is_forwarded_byte_for_byte(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        content = os.urandom(3 << 20)
        with oai(nexus) as client:
            file = client.files.create(file=io.BytesIO(content), purpose="user_data")
            assert openai_upstream.files.things[file.id].content == content
            assert client.files.content(file.id).read() == content
        wait_until(lambda: nexus.server.disk.used == 0 and nexus.server.flight.used == 0)

    def test_pages_list_files_in_either_order(self, nexus: Nexus) -> None:
        with oai(nexus) as client:
            made = [client.files.create(file=b"x", purpose="user_data").id for _ in range(5)]
            assert [one.id for one in client.files.list(limit=2)] == made[::-1]
            assert [one.id for one in client.files.list(limit=2, order="asc")] == made
            first = client.files.list(limit=2)
            assert (len(first.data), first.has_more) == (2, True)

    def test_batches_deleted_at_the_vendor_leave_the_list(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        with oai(nexus) as client:
            made = [client.files.create(file=requests_file("smart"), purpose="batch").id for _ in range(2)]
            batches = [
                client.batches.create(input_file_id=id, endpoint="/v1/chat/completions", completion_window="24h").id
                for id in made
            ]
            del openai_upstream.files.things[batches[0]]
            assert [one.id for one in client.batches.list()] == [batches[1]]
            assert client.batches.list().data[0].model == "smart"


class TestAnthropic:
    def test_the_sdk_supports_every_operation(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        with claude(nexus) as client:
            made = client.messages.batches.create(requests=[entry(0, "claude/sonnet"), entry(1, "sonnet")])
            assert made.processing_status == "in_progress"
            anthropic_upstream.files.run(made.id, Behaviour(), Behaviour(status=400))
            over = client.messages.batches.retrieve(made.id)
            assert over.results_url == f"{nexus.anthropic}/v1/messages/batches/{made.id}/results"
            results = list(client.messages.batches.results(made.id))
            assert [one.result.type for one in results] == ["succeeded", "errored"]
            assert results[0].result.type == "succeeded" and results[0].result.message.model == "claude/sonnet"
            assert client.messages.batches.list().data[0].results_url == over.results_url
            assert client.messages.batches.cancel(made.id).id == made.id
            assert client.messages.batches.delete(made.id).id == made.id
            assert client.messages.batches.list().data == []
        assert [one.key for one in anthropic_upstream.files.things.values()] == []
        assert anthropic_upstream.violations == []

    def test_files_are_uploaded_read_listed_and_deleted(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        with claude(nexus) as client:
            made = [client.beta.files.upload(file=("a.txt", b"text %d" % number, "text/plain")) for number in range(3)]
            assert client.beta.files.retrieve_metadata(made[0].id).size_bytes == 6
            assert client.beta.files.download(made[1].id).read() == b"text 1"
            ids = [one.id for one in made]
            assert [one.id for one in client.beta.files.list(limit=2)] == ids[::-1]
            assert [one.id for one in client.beta.files.list(ids=[ids[1], "file_other"])] == [ids[1]]
            assert client.beta.files.delete(ids[0]).id == ids[0]
            assert {one.id for one in client.beta.files.list()} == {*ids[1:]}
        assert anthropic_upstream.violations == []

    def test_pages_go_both_ways(self, nexus: Nexus) -> None:
        with claude(nexus) as client:
            made = [client.messages.batches.create(requests=[entry(0, "sonnet")]).id for _ in range(4)]
            assert [one.id for one in client.messages.batches.list(limit=3)] == made[::-1]
            assert [one.id for one in client.messages.batches.list(limit=2, before_id=made[0]).data] == made[2:0:-1]


OPENAI_PATHS = ["GET files/{}", "GET files/{}/content", "DELETE files/{}"]


class TestOwners:
    @pytest.mark.parametrize("asked", OPENAI_PATHS)
    def test_an_id_is_unknown_to_others(self, nexus: Nexus, openai_upstream: FakeUpstream, asked: str) -> None:
        with oai(nexus) as client:
            id = client.files.create(file=b"x", purpose="user_data").id
        seen = len(openai_upstream.requests)
        method, _, path = asked.format(id).partition(" ")
        for key, name in ((BOB, id), (ALICE, "file-unknown")):
            reply = ask(nexus, method, f"/llm/openai/v1/{path.replace(id, name)}", key)
            assert reply.status == 404
            assert reply.json["error"]["message"] == f"{name} does not exist or is not yours"
        assert len(openai_upstream.requests) == seen, "the vendor is not called"
        with oai(nexus, BOB) as client:
            assert client.files.list().data == []

    def test_a_result_file_belongs_to_the_batchs_owner(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        with oai(nexus) as client:
            file = client.files.create(file=requests_file("smart"), purpose="batch")
            made = client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            openai_upstream.files.run(made.id)
            output = client.batches.retrieve(made.id).output_file_id
        assert ask(nexus, "GET", f"/llm/openai/v1/files/{output}/content", BOB).status == 404
        reply = ask(
            nexus, "POST", "/llm/openai/v1/batches", BOB,
            {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        )  # fmt: skip
        assert reply.status == 404

    def test_readers_see_lists_but_no_contents(self, nexus: Nexus) -> None:
        with oai(nexus) as client:
            id = client.files.create(file=b"x", purpose="user_data").id
        with oai(nexus, READER) as client:
            assert [one.id for one in client.files.list()] == [id]
            assert client.files.retrieve(id).id == id
        for method, path in (("GET", f"{id}/content"), ("DELETE", id)):
            assert ask(nexus, method, f"/llm/openai/v1/files/{path}", READER).status == 404

    def test_ids_survive_a_restart(
        self, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream, tmp_path: Path
    ) -> None:
        text = config(openai_upstream, None).replace("usage.sqlite3", "kept.sqlite3")
        with Nexus.of(text, tmp_path) as first, oai(first) as client:
            id = client.files.create(file=b"x", purpose="user_data").id
        with Nexus.of(text, tmp_path) as second:
            with oai(second) as client:
                assert client.files.retrieve(id).id == id
            assert ask(second, "GET", f"/llm/openai/v1/files/{id}", BOB).status == 404

    def test_a_message_can_only_name_its_callers_files(self, nexus: Nexus, anthropic_upstream: FakeUpstream) -> None:
        with claude(nexus) as client:
            id = client.beta.files.upload(file=("a.txt", b"text", "text/plain")).id
        body = about_file("sonnet", id)
        statuses = [
            ask(nexus, "POST", "/llm/anthropic/v1/messages?beta=true", key, body, anthropic_beta="files-api-2025-04-14")
            for key in (ALICE, BOB)
        ]
        assert [reply.status for reply in statuses] == [200, 400]
        assert "is not a file that you uploaded here" in statuses[1].json["error"]["message"]
        made = ask(
            nexus, "POST", "/llm/anthropic/v1/messages/batches", BOB,
            {"requests": [entry(0, "sonnet", messages=body["messages"])]},
        )  # fmt: skip
        assert (made.status, "requests.0: messages.0" in made.json["error"]["message"]) == (400, True)

    @pytest.mark.parametrize("two", ['"file_id":"THEIRS","file_id":"MINE"', '"File_Id":"THEIRS","file_id":"MINE"'])
    def test_a_file_cannot_be_hidden_behind_another(
        self, two: str, nexus: Nexus, anthropic_upstream: FakeUpstream
    ) -> None:
        """Some vendors read the first of two members, and some ignore case."""
        with claude(nexus) as alice, claude(nexus, BOB) as bob:
            theirs, mine = (one.beta.files.upload(file=("a", b"x", "text/plain")).id for one in (alice, bob))
        raw = json.dumps(about_file("sonnet", mine), separators=(",", ":"))
        raw = raw.replace(f'"file_id":"{mine}"', two.replace("THEIRS", theirs).replace("MINE", mine))
        before = len(anthropic_upstream.requests)
        for path, body in (("", raw), ("/batches", f'{{"requests":[{{"custom_id":"a","params":{raw}}}]}}')):
            headers = {"Authorization": f"Bearer {BOB}", "anthropic-beta": "files-api-2025-04-14"}
            reply = nexus.post(f"/llm/anthropic/v1/messages{path}", body.encode(), headers)
            assert (reply.status, "file_id" in reply.json["error"]["message"].lower()) == (400, True)
        assert len(anthropic_upstream.requests) == before

    @pytest.mark.parametrize("path, fields", RESPONSES_FILES.values(), ids=RESPONSES_FILES)
    def test_a_responses_request_can_only_name_its_callers_files(
        self, path: str, fields: Any, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = serve(config(openai_upstream, None, "responses = true\n"))
        with oai(nexus) as client:
            id = client.files.create(file=b"x", purpose="user_data").id
        body = json.loads(json.dumps({"model": "smart", **fields}).replace("ID", id))
        before = len(openai_upstream.requests)
        refused = ask(nexus, "POST", f"/llm/openai/v1/{path}", BOB, body)
        assert refused.status == 400 and "is not a file that you uploaded here" in refused.json["error"]["message"]
        assert len(openai_upstream.requests) == before
        ask(nexus, "POST", f"/llm/openai/v1/{path}", ALICE, body)
        assert id in openai_upstream.requests[-1].body.decode()

    def test_a_virtual_model_calls_the_target_that_has_the_file(
        self, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        virtual = '[llm.models.any]\ntargets = ["oai/smart", "claude/sonnet"]\n'
        nexus = serve(config(openai_upstream, anthropic_upstream) + virtual)
        with claude(nexus) as client:
            id = client.beta.files.upload(file=("a.txt", b"text", "text/plain")).id
        body = about_file("any", id)
        replies = [
            ask(nexus, "POST", "/llm/anthropic/v1/messages", key, body, anthropic_beta="files-api-2025-04-14")
            for key in (ALICE, BOB)
        ]
        assert [reply.status for reply in replies] == [200, 400]
        assert replies[0].headers["x-nexus-route"] == "claude/claude-sonnet-4-5"

    def test_a_file_is_read_with_the_account_that_has_it(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        keys = f'api_keys = ["{KEY}", "sk-hushhush-second-0123456789"]'
        nexus = serve(config(openai_upstream, None).replace(f'api_key = "{KEY}"', keys))
        # An account is chosen at random for each.
        numbers = range(20)
        with oai(nexus) as client:
            ids = [client.files.create(file=b"%d" % number, purpose="user_data").id for number in numbers]
            assert [client.files.content(id).read() for id in ids] == [b"%d" % number for number in numbers]
            holders = [request.header("authorization") for request in openai_upstream.requests[-len(ids) :]]
            for id in ids:
                file: Any = {"type": "file", "file": {"file_id": id}}
                client.chat.completions.create(model="smart", messages=[{"role": "user", "content": [file]}])
            assert [request.header("authorization") for request in openai_upstream.requests[-len(ids) :]] == holders
        assert len(set(holders)) == 2
        assert openai_upstream.violations == []


FAULTS: dict[str, tuple[bytes, str]] = {
    "an unknown model": (requests_file("smart", "oai/gpt-9"), "model 'oai/gpt-9' does not exist"),
    "a model of another provider": (
        requests_file("smart", "claude/sonnet"),
        "line 2: model 'claude/sonnet' is not one of provider 'oai'",
    ),
    "no model": (requests_file(""), "line 1: body.model: expected the name of a model"),
    "a second model": (requests_file("smart", Model="gpt-9"), "line 1.Model: write it in lower case: model"),
    "a second body": (
        requests_file("smart").rstrip()[:-1] + b', "Body": {"model": "gpt-9"}}',
        "line 1.Body: write it in lower case: body",
    ),
    "invalid JSON": (b'{"body": {"model": "smart"}}\n{', "line 2 is not valid JSON"),
    "a stored answer": (
        requests_file("smart", input="x", previous_response_id="resp_1"),
        "line 1: previous_response_id: a request in a batch cannot refer to a stored answer",
    ),
    "another caller's file": (
        requests_file(
            "smart", messages=[{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]
        ),
        "file-1 is not a file that you uploaded here",
    ),
    "nothing": (b"\n\n", "the batch has no requests"),
    "almost nothing, at length": (b"\n" * 300_000, "the file has more than 200000 lines"),
}


class TestRequests:
    @pytest.mark.parametrize(("content", "words"), FAULTS.values(), ids=FAULTS.keys())
    def test_invalid_batch_files_are_rejected(
        self, nexus: Nexus, openai_upstream: FakeUpstream, content: bytes, words: str
    ) -> None:
        with oai(nexus) as client, pytest.raises(openai.APIStatusError) as refused:
            client.files.create(file=content, purpose="batch")
        assert refused.value.status_code in (400, 404)
        assert words in str(refused.value)
        assert openai_upstream.requests == []

    def test_a_model_that_the_key_may_not_use_is_rejected(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        text = config(openai_upstream, None).replace(f'key = "{BOB}"', f'key = "{BOB}"\nmodels = ["oai/gpt-4"]')
        nexus = serve(text)
        with oai(nexus, BOB) as client:
            assert client.files.create(file=requests_file("oai/gpt-4"), purpose="batch").id
            with pytest.raises(openai.NotFoundError):
                client.files.create(file=requests_file("oai/smart"), purpose="batch")

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"requests": []}'])
    def test_a_batch_of_no_requests_is_rejected(self, nexus: Nexus, body: bytes) -> None:
        reply = nexus.post("/llm/anthropic/v1/messages/batches", body, {"Authorization": f"Bearer {ALICE}"})
        assert (reply.status, reply.json["error"]["message"]) == (400, "requests: expected a non-empty array")

    def test_a_batch_needs_a_file_uploaded_for_batches(self, nexus: Nexus) -> None:
        with oai(nexus) as client:
            file = client.files.create(file=requests_file("x"), purpose="user_data")
            with pytest.raises(openai.BadRequestError, match="not a file of requests"):
                client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")

    def test_only_model_names_change_in_a_file(self, nexus: Nexus, openai_upstream: FakeUpstream) -> None:
        line = b'{ "custom_id":"a" , "url":"/v1/x","body": {"messages":[], "mod\\u0065l" : "smart" ,"n": 1.0}}'
        with oai(nexus) as client:
            file = client.files.create(file=line + b"\r\n\r\n" + line, purpose="batch")
        wanted = line.replace(b'"smart"', b'"gpt-4o"')
        assert openai_upstream.files.things[file.id].content == wanted + b"\r\n\r\n" + wanted


class TestProviders:
    def two(self, serve: Serve, one: FakeUpstream) -> Nexus:
        second = f'[llm.providers.two]\ntype = "openai"\napi_key = "{KEY}"\nbase_url = "{one.base_url}"\n{FILES}'
        return serve(config(one, None) + second + 'models = ["gpt-3.5"]\n')

    def test_with_several_providers_the_request_must_name_one(
        self, serve: Serve, openai_upstream: FakeUpstream
    ) -> None:
        nexus = self.two(serve, openai_upstream)
        with oai(nexus) as client:
            with pytest.raises(openai.BadRequestError, match="x-nexus-provider is missing; set it to one of: oai, two"):
                client.files.create(file=b"x", purpose="user_data")
            with pytest.raises(openai.NotFoundError, match="has this: oai, two"):
                client.files.list(extra_headers={"x-nexus-provider": "claude"})
            there = {"x-nexus-provider": "two"}
            file = client.files.create(file=b"x", purpose="user_data", extra_headers=there)
            assert client.files.retrieve(file.id).id == file.id, "the id identifies the provider"
            assert [one.id for one in client.files.list(extra_headers=there)] == [file.id]
            assert client.files.list(extra_headers={"x-nexus-provider": "oai"}).data == []

    def test_a_batch_goes_to_the_provider_of_its_models(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = self.two(serve, openai_upstream)
        with oai(nexus) as client:
            file = client.files.create(file=requests_file("two/gpt-3.5"), purpose="batch")
            reply = ask(nexus, "GET", f"/llm/openai/v1/files/{file.id}")
        assert reply.headers["x-nexus-route"] == "two/*"

    def test_protocols_that_share_a_path_are_told_apart_by_headers(
        self, serve: Serve, openai_upstream: FakeUpstream, anthropic_upstream: FakeUpstream
    ) -> None:
        """``/v1/files`` exists at both vendors; the client's headers tell which one it means."""
        shared = '[llm.protocols]\nopenai.path = "/"\nanthropic.path = "/"\n'
        nexus = serve(config(openai_upstream, anthropic_upstream) + shared)
        with (
            openai.OpenAI(base_url=f"{nexus.base}/v1", api_key=ALICE, max_retries=0) as one,
            anthropic.Anthropic(base_url=nexus.base, api_key=ALICE, max_retries=0) as other,
        ):
            mine, yours = one.files.create(file=b"x", purpose="user_data"), other.beta.files.upload(file=b"y")
            assert ([file.id for file in one.files.list()], [file.id for file in other.beta.files.list()]) == (
                [mine.id],
                [yours.id],
            )

    def test_off_by_default(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        nexus = serve(config(openai_upstream, None).replace(FILES, ""))
        reply = ask(nexus, "GET", "/llm/openai/v1/files")
        assert (reply.status, reply.json["error"]["message"]) == (
            404,
            'no available provider has files (endpoints = ["files"])',
        )
        assert openai_upstream.requests == []

    def test_other_default_endpoints_remain(self, nexus: Nexus) -> None:
        """Endpoints that a host has by default."""
        body = {"model": "smart", "input": "x"}
        assert ask(nexus, "POST", "/llm/openai/v1/embeddings", body=body).status == 200

    def test_a_store_that_keeps_nothing_is_rejected(self, serve: Serve, openai_upstream: FakeUpstream) -> None:
        text = config(openai_upstream, None).replace('store = "sqlite:///usage.sqlite3"', 'store = "none"')
        with pytest.raises(Exception, match="need a record of their owners"):
            serve(text)


@pytest.mark.parametrize(("status", "sent"), [(500, 1), (503, 2)])
def test_creation_is_not_retried_after_a_500(
    nexus: Nexus, openai_upstream: FakeUpstream, status: int, sent: int
) -> None:
    openai_upstream.next(Behaviour(status=status), Behaviour())
    with oai(nexus) as client:
        try:
            client.files.create(file=b"x", purpose="user_data")
        except openai.InternalServerError:
            assert status == 500
    assert len(openai_upstream.requests) == sent


class TestCost:
    def batch(self, nexus: Nexus, upstream: FakeUpstream, count: int = 3) -> str:
        with claude(nexus) as client:
            id = client.messages.batches.create(requests=[entry(n, "sonnet") for n in range(count)]).id
        upstream.files.run(id)
        return id

    def read(self, nexus: Nexus, id: str) -> Reply:
        return ask(nexus, "GET", f"/llm/anthropic/v1/messages/batches/{id}/results")

    def test_the_cost_is_recorded_once_and_at_once(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No later reading records it again, so it is not lost if the process is killed before the call is recorded."""
        records = nexus.records()
        id = self.batch(nexus, anthropic_upstream)
        monkeypatch.setattr(ledger.Ledger, "add", lambda *_: None)
        assert [self.read(nexus, id).status for _ in range(2)] == [200, 200]
        wait_until(lambda: len(records) == 3)
        (used,) = booked(records)
        assert used.usage is not None and (used.usage.input, used.usage.output) == (33, 18)
        assert (used.route, used.cost) == ("claude/sonnet", 33 * 2000 + 18 * 10_000)
        assert used.price_source == "settings, not reduced for batches"
        wait_until(lambda: _report(nexus)["total"]["cost_usd"] == 0.000246)

    def test_results_already_charged_are_not_charged_again(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream
    ) -> None:
        owners = nexus.server.kept.owners
        id = self.batch(nexus, anthropic_upstream)
        (row,) = owners.find([id])
        owners.claim(row, 2, lambda *_: None)
        records = nexus.records()
        assert self.read(nexus, id).status == 200
        wait_until(lambda: bool(booked(records)))
        usage = booked(records)[0].usage
        assert usage is not None and (usage.input, usage.output) == (11, 6)
        owners.claim(row, 3, lambda *_: pytest.fail("all lines were charged"))

    def test_endless_results_are_not_remembered(
        self, nexus: Nexus, anthropic_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No batch has more requests; what follows passes unread."""
        monkeypatch.setattr(files, "MOST_LINES", 2)
        records = nexus.records()
        reply = self.read(nexus, self.batch(nexus, anthropic_upstream))
        assert (reply.status, reply.body.count(b'"model":"sonnet"') + reply.body.count(b'"model": "sonnet"')) == (
            200,
            2,
        )
        wait_until(lambda: bool(booked(records)))
        assert booked(records)[0].raw_usage == {"requests": 2}

    LIMIT = '[llm.providers.claude.rate_limits.per_user]\ninput_token_limit = 100\ninterval = "1h"\n'

    def test_a_caller_with_limits_is_rejected_by_default(self, serve: Serve, anthropic_upstream: FakeUpstream) -> None:
        nexus = serve(config(None, anthropic_upstream) + self.LIMIT)
        with claude(nexus) as client, pytest.raises(anthropic.PermissionDeniedError, match='unknown = "allow"'):
            client.messages.batches.create(requests=[entry(0, "sonnet")])
        assert anthropic_upstream.requests == []

    def test_allowed_batches_count_towards_limits(self, serve: Serve, anthropic_upstream: FakeUpstream) -> None:
        nexus = serve(config(None, anthropic_upstream, 'unknown = "allow"\n') + self.LIMIT)
        id = self.batch(nexus, anthropic_upstream, 9)
        body = {"model": "sonnet", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        path = "/llm/anthropic/v1/messages"
        first = ask(nexus, "POST", path, body=body)
        assert first.status == 200
        assert self.read(nexus, id).status == 200
        assert ask(nexus, "POST", path, body=body).status == 429

    def test_batches_count_towards_the_budget(self, serve: Serve, anthropic_upstream: FakeUpstream) -> None:
        budget = '[budgets.team]\nlimit_usd = 0.0005\nperiod = "month"\nper = "key"\n'
        nexus = serve(config(None, anthropic_upstream, 'unknown = "allow"\n') + budget)
        id = self.batch(nexus, anthropic_upstream, 9)
        assert self.read(nexus, id).status == 200
        body = {"model": "sonnet", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        reply = ask(nexus, "POST", "/llm/anthropic/v1/messages", body=body)
        assert (reply.status, "budget 'team'" in reply.json["error"]["message"]) == (429, True)

    def test_what_cannot_be_recorded_counts_when_the_next_reader_records_it(
        self, serve: Serve, anthropic_upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        budget = '[budgets.team]\nlimit_usd = 0.0015\nperiod = "month"\nper = "key"\n'
        nexus = serve(config(None, anthropic_upstream, 'unknown = "allow"\n') + budget)
        id = self.batch(nexus, anthropic_upstream, 9)
        with monkeypatch.context() as broken:
            broken.setattr(late_usage, "write", Mock(side_effect=DatabaseError("the disk is full")))
            assert [self.read(nexus, id).status for _ in range(2)] == [200, 200]
        assert self.read(nexus, id).status == 200
        body = {"model": "sonnet", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        assert ask(nexus, "POST", "/llm/anthropic/v1/messages", body=body).status == 200
        wait_until(lambda: _spent(nexus) == 820_000)


def _spent(nexus: Nexus) -> Any:
    with nexus.server.books.reading() as database, database.transaction(write=False) as transaction:
        return transaction.query("SELECT SUM(spent_nano) FROM budgets")[0][0]


def _report(nexus: Nexus) -> Any:
    return ask(nexus, "GET", "/usage/v1/report?by=route&since=1h", READER).json
