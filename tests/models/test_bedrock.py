"""What is read from Bedrock model ids."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nexus.models.bedrock import PLAIN, ConverseModel, profile
from nexus.protocols import converse

SAME = [
    "amazon.nova-2-lite-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "global.amazon.nova-2-lite-v1:0",
    "US-GOV.amazon.nova-2-lite-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-2-lite-v1:0",
    "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-2-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-2-lite-v1:0/abcdefghijkl",
]


@pytest.mark.parametrize("model_id", SAME)
def test_prefixes_and_arns_are_ignored(model_id: str) -> None:
    assert profile(model_id) == profile(SAME[0]) != PLAIN


@pytest.mark.parametrize(
    "model_id",
    ["", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", "writer.palmyra-x4", "a.b.c"],
)
def test_unknown_ids_get_the_plain_profile(model_id: str) -> None:
    assert profile(model_id) == PLAIN


HELD = ConverseModel(structured_output=True, mixed_turns=True)
UNSIGNED = replace(HELD, reasoning="unsigned")
BARE = ConverseModel(system=False, tools=False)
NOVA = ConverseModel(bare_schemas=True, cache=True, result_status=True, result_media=True, top_k=True, mixed_turns=True)
LLAMA = ConverseModel(tool_choice="auto", streams_tools=False)
RESPONDS = ConverseModel(mixed_turns=True, stop=False, sampling=False, least_output=16)
GPT = replace(RESPONDS, structured_output=True, thinking="nested", reasoning="signed")
THINKING = replace(HELD, thinking="config", efforts=("high",))
GROK = replace(RESPONDS, thinking="nested", efforts=("low", "medium", "high", "xhigh"), reasoning="signed")
OLD_MISTRAL = ConverseModel(json_results=True, tool_choice="any", streams_tools=False, mistral_ids=True)

FAMILIES: dict[str, ConverseModel] = {
    "amazon.titan-text-express-v1": BARE,
    "amazon.nova-micro-v1:0": NOVA,
    "global.amazon.nova-2-lite-v1:0": replace(NOVA, thinking="nova"),
    "openai.gpt-oss-20b-1:0": replace(UNSIGNED, thinking="effort", stop=False),
    "us.openai.gpt-6-astra": replace(GPT, efforts=("low", "medium", "high", "xhigh", "max")),
    "openai.gpt-5.6-sol": replace(GPT, efforts=("none", "low", "medium", "high", "xhigh", "max")),
    "deepseek.r1-v1:0": ConverseModel(tools=False),
    "deepseek.v3-v1:0": replace(HELD, tool_choice="any", stop=False),
    "deepseek.v3.2": replace(HELD, stop=False),
    "mistral.mixtral-8x7b-instruct-v0:1": BARE,
    "mistral.mistral-large-2402-v1:0": OLD_MISTRAL,
    "us.mistral.pixtral-large-2502-v1:0": OLD_MISTRAL,
    "mistral.mistral-large-3-675b-instruct": replace(HELD, mistral_ids=True),
    "cohere.command-r-plus-v1:0": ConverseModel(tool_choice="auto"),
    "cohere.command-text-v14": BARE,
    "ai21.jamba-1-5-large-v1:0": ConverseModel(tool_choice="auto"),
    "us.meta.llama4-maverick-17b-instruct-v1:0": replace(LLAMA, result_media=True),
    "us.meta.llama3-2-90b-instruct-v1:0": LLAMA,
    "google.gemma-3-27b-it": HELD,
    "minimax.minimax-m2": UNSIGNED,
    "moonshot.kimi-k2-thinking": replace(UNSIGNED, wide_ids=True),
    "moonshotai.kimi-k2.5": replace(THINKING, reasoning="unsigned", wide_ids=True),
    "global.moonshotai.kimi-k3": replace(RESPONDS, structured_output=True, wide_ids=True),
    "nvidia.nemotron-nano-9b-v2": HELD,
    "qwen.qwen3-32b-v1:0": replace(THINKING, stop=False),
    "qwen.qwen3-coder-480b-a35b-v1:0": replace(HELD, stop=False),
    "us.xai.grok-4.6": GROK,
    "global.xai.grok-4.7": GROK,
    "zai.glm-4.7-flash": HELD,
    "zai.glm-5": THINKING,
    "global.zai.glm-5.3": HELD,
}


@pytest.mark.parametrize("model_id", FAMILIES)
def test_families_are_read_from_ids(model_id: str) -> None:
    assert profile(model_id) == FAMILIES[model_id]


def test_no_vendor_sdk_is_imported() -> None:
    names = [path.stem for path in Path(converse.__file__ or "").parent.glob("[a-z]*.py")]
    code = "import sys; " + "; ".join(f"import nexus.protocols.converse.{name}" for name in names)
    code += "; sys.exit(any(m.partition('.')[0] in ('botocore', 'boto3', 'requests', 'tornado') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
