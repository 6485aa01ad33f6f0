"""OpenAI's other endpoints pass through: only the model's name is replaced, all other bytes are the client's and the
vendor's.
"""

import http.client
import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import openai
import pytest

from nexus.accounting.record import Outcome
from nexus.protocols.multipart import LONGEST_HEAD, MOST_PARTS
from nexus.protocols.operation import PASSED
from nexus.providers.openai.endpoints import endpoints_of
from nexus.upstream.upload import IN_MEMORY
from tests.conftest import Serve
from tests.serving import Nexus, openai_config, wait_until
from tools.fake_upstream import Behaviour, FakeUpstream
from tools.fake_upstream.endpoints import AUDIO, IMAGE, form_of

PATHS = {operation.endpoint: operation for operation in PASSED}
ALL = f"endpoints = {json.dumps(list(PATHS))}\n"

BODIES: dict[str, bytes] = {
    "embeddings": b'{ "input":["a","b"],  "model" : "openai/smart" , "encoding_format":"float"}',
    "completions": b'{"prompt":"Say it" ,"model":"openai/smart"}',
    "moderations": b'{"model":"openai/smart","input":"x"}\n',
    "images/generations": b'{"model":"openai/smart","prompt":"A cat", "n": 1}',
    "audio/speech": b'{"model":"openai/smart","input":"Hello","voice":"alloy"}',
    "rerank": b'{"query":"q","documents":["a","b"],"model":"openai/smart"}',
}
BOUNDARY = b"----WebKitFormBoundary7MA4YWxk"
FORM_TYPE = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY.decode()}"'}
SOUND = b"\r\nRIFF\x00\xff\r\n--not\r\n" + bytes(range(256))


def form(*parts: tuple[str, bytes], model: bytes = b"openai/smart") -> bytes:
    """A form with a file, then its fields, the model last."""
    heads = [
        b'Content-Disposition: form-data; name="file"; filename="a b.wav"\r\nContent-Type: audio/wav\r\n\r\n' + SOUND,
        b'Content-Disposition: form-data; name="image"; filename="i.png"\r\n\r\n' + SOUND,
        *(f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value for name, value in parts),
        b'Content-Disposition: form-data; name="model"\r\n\r\n' + model,
    ]
    return b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in heads) + b"--" + BOUNDARY + b"--\r\n"


@pytest.fixture
def served(serve: Serve, openai_upstream: FakeUpstream) -> Nexus:
    config = openai_config(openai_upstream.base_url)
    return serve(config.replace('type = "openai"\n', f'type = "openai"\n{ALL}'))


@pytest.fixture
def sdk(served: Nexus) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.openai, api_key="unused", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("endpoint", BODIES)
def test_only_the_name_in_a_document_changes(served: Nexus, openai_upstream: FakeUpstream, endpoint: str) -> None:
    reply = served.post(f"/llm/openai/v1/{endpoint}", BODIES[endpoint])
    assert reply.status == 200, reply.body
    seen = openai_upstream.requests[0]
    assert seen.path == f"/v1/{endpoint}"
    assert seen.body == BODIES[endpoint].replace(b"openai/smart", b"gpt-4")
    assert reply.body == openai_upstream.answer_to(seen)
    assert reply.headers["x-nexus-route"] == "openai/gpt-4"


FORMS = [name for name, operation in PATHS.items() if operation.forms]


@pytest.mark.parametrize("endpoint", FORMS)
def test_only_the_name_in_a_form_changes(served: Nexus, openai_upstream: FakeUpstream, endpoint: str) -> None:
    body = form(("prompt", b"Say --------WebKit"), ("language", "dé".encode()))
    reply = served.request("POST", f"/llm/openai/v1/{endpoint}", body, FORM_TYPE)
    assert reply.status == 200, reply.body
    seen = openai_upstream.requests[0]
    assert seen.body == form(("prompt", b"Say --------WebKit"), ("language", "dé".encode()), model=b"gpt-4")
    assert seen.header("content-type") == FORM_TYPE["Content-Type"]
    assert form_of(seen)["file"] == SOUND


def test_a_large_upload_is_kept_on_disk_and_sent_again(served: Nexus, openai_upstream: FakeUpstream) -> None:
    sound = os.urandom(3 * IN_MEMORY)
    body = form().replace(SOUND, sound, 1)
    openai_upstream.next(Behaviour(status=503), Behaviour())
    before = open_files()
    reply = served.request("POST", "/llm/openai/v1/audio/transcriptions", body, FORM_TYPE)
    assert (reply.status, reply.headers["x-nexus-attempts"]) == (200, "2")
    wanted = body.replace(b"openai/smart", b"gpt-4")
    assert [seen.body == wanted for seen in openai_upstream.requests] == [True, True]
    wait_until(lambda: open_files() == before and served.server.disk.used == 0 and served.server.flight.used == 0)


def open_files() -> list[str]:
    """The temporary files that this process has open."""
    found = []
    for link in (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")):
        # Another thread may close it in between.
        with suppress(FileNotFoundError):
            found += [link] if "(deleted)" in os.readlink(link) else []
    return found


@pytest.mark.parametrize("ending", ["cancelled", "too large", "broken form", "refused model", "left in the middle"])
def test_an_uploads_resources_are_released(serve: Serve, openai_upstream: FakeUpstream, ending: str) -> None:
    config = openai_config(openai_upstream.base_url).replace('type = "openai"\n', f'type = "openai"\n{ALL}')
    nexus = serve(f"[server]\nmax_upload_size = {4 * IN_MEMORY}\n" + config)
    before = open_files()
    large = form().replace(SOUND, b"\0" * (2 * IN_MEMORY), 1)
    bodies = {
        "too large": large.replace(b"\0" * 2 * IN_MEMORY, b"\0" * 4 * IN_MEMORY),
        "broken form": large[:-10],
        "refused model": large.replace(b"openai/smart", b"nobody"),
    }
    statuses = {"too large": 413, "broken form": 400, "refused model": 404}
    path = "/llm/openai/v1/audio/transcriptions"
    if ending in statuses:
        assert nexus.request("POST", path, bodies[ending], FORM_TYPE).status == statuses[ending]
    else:
        openai_upstream.next(Behaviour(hang=True))
        connection = http.client.HTTPConnection("127.0.0.1", nexus.port, timeout=60)
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(len(large)))
        connection.putheader("Content-Type", FORM_TYPE["Content-Type"])
        connection.endheaders(large if ending == "cancelled" else large[: -IN_MEMORY // 2])
        if ending == "cancelled":
            wait_until(lambda: len(openai_upstream.requests) == 1)
        else:
            wait_until(lambda: nexus.server.disk.used > 0)
        connection.close()
    wait_until(lambda: open_files() == before and nexus.server.disk.used == 0 and nexus.server.flight.used == 0)


FORM_FAULTS: dict[str, tuple[bytes, str]] = {
    "no model": (form().replace(b'name="model"', b'name="other"'), "model: expected the name of a model"),
    "two models": (form(("model", b"openai/gpt-4")), "model: the form has this field twice"),
    "a model given as a file": (
        form().replace(b'name="model"', b'name="model"; filename="m"'),
        "model: expected a field without the name of a file",
    ),
    "an escaped name": (form().replace(b'name="model"', b'name="mo\\del"'), "a part has no name"),
    "an extended name": (form().replace(b'name="model"', b"name*=utf-8''model"), "a part has no name"),
    "an encoded part": (
        form().replace(b'name="model"\r\n', b'name="model"\r\nContent-Transfer-Encoding: base64\r\n'),
        "content-transfer-encoding",
    ),
    "a boundary after LF": (form().replace(b"--not", b"\n--" + BOUNDARY), "a boundary is not on its own line"),
    "a longer boundary": (form().replace(b"--not", b"--" + BOUNDARY + b"x"), "a boundary line has trailing data"),
    "text before the form": (b"x" + form(), "it does not begin with its boundary"),
    "a long head": (form().replace(b'name="model"', b'name="model"' + b" " * LONGEST_HEAD), "of a part do not end"),
    "a name in Latin-1": (form().replace(b'name="model"', b'name="mod\xe9l"'), "the headers of a part are not UTF-8"),
    "many parts": (form(*[("x", b"")] * MOST_PARTS), f"it has more than {MOST_PARTS} parts"),
    "no end": (form()[:-20], "its last boundary is missing"),
    "data after the end": (form() + b"--" + BOUNDARY, "there is data after its last boundary"),
}


@pytest.mark.parametrize(("body", "words"), FORM_FAULTS.values(), ids=FORM_FAULTS.keys())
def test_an_ambiguous_form_is_rejected(served: Nexus, openai_upstream: FakeUpstream, body: bytes, words: str) -> None:
    reply = served.request("POST", "/llm/openai/v1/audio/transcriptions", body, FORM_TYPE)
    assert reply.status == 400
    assert words in reply.json["error"]["message"]
    assert openai_upstream.requests == []


def test_the_sdk_can_use_every_endpoint(served: Nexus, sdk: openai.OpenAI, openai_upstream: FakeUpstream) -> None:
    model = "openai/smart"
    embedded = sdk.embeddings.create(model=model, input=["a", "b"], dimensions=4)
    assert [len(one.embedding) for one in embedded.data] == [4, 4]
    assert sdk.completions.create(model=model, prompt="x").choices[0].text
    assert "".join(one.choices[0].text for one in sdk.completions.create(model=model, prompt="x", stream=True))
    assert sdk.moderations.create(model=model, input="x").id
    drawn = sdk.images.generate(model=model, prompt="x").data
    assert drawn is not None and drawn[0].b64_json == IMAGE
    kinds = [event.type for event in sdk.images.generate(model=model, prompt="x", stream=True)]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    edited = sdk.images.edit(model=model, image=io.BytesIO(b"png"), prompt="x", stream=True)
    assert [event.type for event in edited][-1] == "image_edit.completed"
    with pytest.deprecated_call():
        assert sdk.images.create_variation(model=model, image=io.BytesIO(b"png")).data
    assert sdk.audio.speech.create(model=model, voice="alloy", input="x").read() == AUDIO
    with sdk.audio.speech.with_streaming_response.create(
        model=model, voice="alloy", input="x", stream_format="sse"
    ) as spoken:
        assert b"speech.audio.done" in spoken.read()
    sound = ("a.wav", b"RIFF")
    assert sdk.audio.transcriptions.create(model=model, file=sound).text
    assert sdk.audio.transcriptions.create(model=model, file=sound, response_format="text")
    heard = sdk.audio.transcriptions.create(model=model, file=sound, stream=True)
    assert [event.type for event in heard][-1] == "transcript.text.done"
    with pytest.deprecated_call():
        assert sdk.audio.translations.create(model=model, file=sound).text
    assert openai_upstream.violations == []


def test_a_long_answer_passes_in_pieces_and_its_usage_is_read(served: Nexus, openai_upstream: FakeUpstream) -> None:
    records = served.records()
    body = b'{"data":[{"embedding":"' + b"A" * (3 << 20) + b'"}],"usage" : {"prompt_tokens":7,"total_tokens":7}}'
    openai_upstream.next(Behaviour(body=body))
    reply = served.post("/llm/openai/v1/embeddings", {"model": "openai/smart", "input": "x"})
    assert (reply.status, reply.body == body) == (200, True)
    wait_until(lambda: len(records) == 1)
    assert records[0].answer is not None and records[0].answer.usage is not None
    assert records[0].answer.usage.total_input == 7


CUTS: dict[str, tuple[str, dict[str, Any], Behaviour]] = {
    "bytes": ("audio/speech", {"input": "x", "voice": "alloy"}, Behaviour(cut_after=9000)),
    "events": ("images/generations", {"prompt": "x", "stream": True}, Behaviour(cut_after=1)),
    "events that end early": ("completions", {"prompt": "x", "stream": True}, Behaviour(end_after=1)),
}


@pytest.mark.parametrize(("endpoint", "body", "behaviour"), CUTS.values(), ids=CUTS.keys())
def test_a_truncated_answer_never_looks_complete(
    served: Nexus, openai_upstream: FakeUpstream, endpoint: str, body: dict[str, Any], behaviour: Behaviour
) -> None:
    records = served.records()
    openai_upstream.next(behaviour)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    raw = json.dumps({"model": "openai/smart", **body})
    connection.request("POST", f"/llm/openai/v1/{endpoint}", raw, {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    connection.close()
    got = cut.value.partial
    assert (b'"error"' in got) == ("stream" in body), "only a stream ends with an error event"
    wait_until(lambda: len(records) == 1)
    assert records[0].answer is not None and records[0].answer.outcome is Outcome.CUT


def test_a_model_whose_provider_lacks_the_endpoint_is_rejected(serve: Serve, openai_upstream: FakeUpstream) -> None:
    other = openai_config(openai_upstream.base_url).replace("llm.providers.openai", "llm.providers.other")
    other = other.replace('type = "openai"\n', 'type = "openai"\nendpoints = ["rerank"]\n')
    nexus = serve(openai_config(openai_upstream.base_url) + other)
    reply = nexus.post("/llm/openai/v1/rerank", BODIES["rerank"])
    assert (reply.status, reply.headers["x-nexus-error"]) == (404, "model_not_found")
    assert reply.json["error"]["message"] == (
        "model 'openai/smart' has no rerank; models that have it: other/gpt-4, other/smart"
    )
    nobody = nexus.post("/llm/openai/v1/moderations", BODIES["moderations"])
    assert nobody.json["error"]["message"] == "model 'openai/smart' has no moderations; no model here has it"
    assert nexus.post("/llm/openai/v1/embeddings", BODIES["embeddings"]).status == 200, "servers have it by default"
    assert nexus.post("/llm/openai/v1/embeddings", {"model": "other/gpt-4", "input": "x"}).status == 404


def test_a_virtual_model_uses_targets_that_have_the_endpoint(serve: Serve, openai_upstream: FakeUpstream) -> None:
    first = openai_config(openai_upstream.base_url).replace('type = "openai"\n', 'type = "openai"\nendpoints = []\n')
    rest = "".join(
        openai_config(openai_upstream.base_url).replace("llm.providers.openai", f"llm.providers.{name}")
        for name in ("b", "c")
    )
    virtual = '[llm.models.any]\ntargets = ["openai/gpt-4", "b/gpt-4", "c/gpt-4"]\n'
    nexus = serve(first + rest + virtual)
    # Cutting a short document costs the client nothing.
    openai_upstream.next(Behaviour(cut_after=20), Behaviour())
    reply = nexus.post("/llm/openai/v1/embeddings", {"model": "any", "input": "x"})
    assert (reply.status, reply.headers["x-nexus-route"]) == (200, "c/gpt-4")
    assert "openai/gpt-4" not in reply.headers["x-nexus-tried"]


def test_a_limit_counts_an_embeddings_usage(serve: Serve, openai_upstream: FakeUpstream) -> None:
    rule = '[llm.providers.openai.rate_limits.per_user]\n{}\ninterval = "60s"\n'
    nexus = serve(openai_config(openai_upstream.base_url, rule.format("input_token_limit = 25")))
    body = {"model": "openai/smart", "input": "x"}
    assert [nexus.post("/llm/openai/v1/embeddings", body).status for _ in range(3)] == [200, 200, 429]


def test_an_embedding_reserves_no_output_tokens(serve: Serve, openai_upstream: FakeUpstream) -> None:
    rule = '[llm.providers.openai.rate_limits.per_user]\noutput_token_limit = 20\ninterval = "60s"\n'
    nexus = serve(openai_config(openai_upstream.base_url, rule))
    assert nexus.post("/llm/openai/v1/embeddings", {"model": "openai/smart", "input": "x"}).status == 200


def test_an_unknown_endpoint_in_the_settings_is_rejected(serve: Serve) -> None:
    with pytest.raises(Exception, match='did you mean "embeddings"'):
        serve(
            openai_config("http://127.0.0.1:1").replace('type = "openai"\n', 'type="openai"\nendpoints=["embeding"]\n')
        )


DEFAULTS = {
    "a self-hosted server": ("http://gpu.internal:8000/v1", "embeddings", True),
    "DeepSeek's beta path": ("https://api.deepseek.com/beta", "completions", True),
    "DeepSeek's v1 path": ("https://api.deepseek.com/v1", "completions", False),
    "both names of a host": ("https://api.together.ai/v1", "rerank", True),
    "a host below another": ("https://mine.openai.azure.com/openai/v1", "audio/speech", True),
    "an endpoint that Azure lacks": ("https://mine.openai.azure.com/openai/v1", "images/variations", False),
    "a host for logins only": ("https://chatgpt.com/backend-api/codex", "embeddings", False),
}


@pytest.mark.parametrize(("url", "endpoint", "there"), DEFAULTS.values(), ids=DEFAULTS.keys())
def test_each_host_has_default_endpoints(url: str, endpoint: str, there: bool) -> None:
    assert (endpoint in endpoints_of(url)) is there
