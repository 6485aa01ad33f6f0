"""Every host's spelling of a model name gives the same row in every table."""

import pytest

from nexus.models import claude
from nexus.models.names import claude_name, model_name
from nexus.models.released import released
from nexus.providers.bedrock.claude import claude_of
from nexus.providers.bedrock.claude import profile as at_bedrock
from nexus.providers.google.claude import profile as at_vertex

PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic."
OPUS_4_5 = (
    "claude-opus-4-5",
    "claude-opus-4.5",
    "Claude-Opus-4.5",
    "claude-4.5-opus",
    "claude-4-5-opus-20251101",
    "claude-opus-4-5-20251101",
    "claude-opus-4-5@20251101",
    "anthropic/claude-opus-4.5",
    "anthropic/claude-opus-4.5:beta",
    "openrouter/anthropic/claude-opus-4-5",
    "us.anthropic.claude-opus-4-5-20251101-v1:0",
    f"{PROFILE}claude-opus-4-5-20251101-v1:0",
)
SONNET_3_7 = (
    "claude-3-7-sonnet",
    "claude-3.7-sonnet",
    "claude-3-7-sonnet@20250219",
    "anthropic/claude-3.7-sonnet:thinking",
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    f"{PROFILE}claude-3-7-sonnet-20250219-v1:0",
)
FABLE_5_1 = ("claude-fable-5-1", "claude-fable-5.1", "anthropic/claude-fable-5.1", "claude-5.1-fable")
SPELLINGS = {spelling: names[0] for names in (OPUS_4_5, SONNET_3_7, FABLE_5_1) for spelling in names}
VERSIONS = {OPUS_4_5[0]: ("opus", (4, 5)), SONNET_3_7[0]: ("sonnet", (3, 7)), FABLE_5_1[0]: ("fable", (5, 1))}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_claude_gives_the_same_row_in_every_table(spelling: str) -> None:
    plain, name = SPELLINGS[spelling], claude_name(spelling)
    assert name is not None and (name.family, name.version) == VERSIONS[plain]
    assert claude.profile(spelling) == claude.profile(plain)
    assert at_bedrock(spelling) == at_bedrock(plain)
    assert at_vertex(spelling) == at_vertex(plain)
    assert (claude_of(spelling).family, claude_of(spelling).version) == VERSIONS[plain]
    assert released(spelling) == released(plain) is not None


NAMES = {
    "gpt-5.5": ("", "gpt-5.5"),
    "openai/GPT-5.5": ("", "gpt-5.5"),
    "ft:gpt-5.5:house::1": ("", "gpt-5.5"),
    "us.openai.gpt-5.6-sol": ("openai", "gpt-5.6-sol"),
    "openai.gpt-oss-120b-1:0": ("openai", "gpt-oss-120b-1"),
    "models/gemini-3.8-flash": ("", "gemini-3.8-flash"),
    "publishers/google/models/gemini-2.5-pro": ("", "gemini-2.5-pro"),
    "US-GOV.amazon.nova-pro-v1:0": ("amazon", "nova-pro-v1"),
    "arn:aws:bedrock:us-east-1::foundation-model/deepseek.v3.2": ("deepseek", "v3.2"),
    "arn:aws:bedrock:us-east-1:1:custom-model/amazon.nova-pro-v1:0/abc": ("amazon", "nova-pro-v1"),
    "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc": ("", "abc"),
    "zai.glm-4.7": ("zai", "glm-4.7"),
    "writer.palmyra-x4": ("", "writer.palmyra-x4"),
    "": ("", ""),
}


@pytest.mark.parametrize("model", NAMES)
def test_vendor_and_name_are_read(model: str) -> None:
    name = model_name(model)
    assert (name.vendor, name.name) == NAMES[model]
