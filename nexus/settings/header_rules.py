"""``[[llm.providers.NAME.headers]]`` and ``[[...models.ALIAS.headers]]``: rules for the headers sent to a vendor.

Loading rejects rules that do something forbidden, so that applying one needs no checks. Values can be secrets, so all
have a secret type. The rules implement the protocol ``nexus.headers.rules.HeaderChange``.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, SecretStr, WrapValidator

from nexus.headers.names import OWN_CREDENTIALS, is_denied, is_secret, matches_no_pattern, read_header_name
from nexus.headers.pattern import Pattern
from nexus.settings.tagged import Tagged
from nexus.settings.types import KeyPath, Location, Table

SECRET = "names a header that carries a credential; allow_secret = true in this rule forwards it to the vendor anyway"
UNUSED_SECRET = "has no effect, because the rule names no credential header such as authorization; remove it"
NO_NAME = "is missing; set name or pattern"
BOTH = "cannot be combined with name; set only one of them"


def read_rule_name(value: str) -> str:
    """A header that rules may change, in lower case. Raises ValueError."""
    name = read_header_name(value)
    if name in OWN_CREDENTIALS:
        raise ValueError("is a header for Nexus only, which is never forwarded; choose another one")
    if is_denied(name):
        raise ValueError("is a connection or framing header, which Nexus writes itself; choose another one")
    return name


def read_pattern(value: object) -> Pattern:
    if isinstance(value, Pattern):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return Pattern(value)


def read_header_value(value: SecretStr) -> SecretStr:
    """A valid header value, stripped of the whitespace that environment variables tend to bring. Raises ValueError."""
    text = value.get_secret_value().strip()
    if not text:
        raise ValueError("is empty")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("contains characters that are not allowed in an HTTP header")
    return SecretStr(text)


RuleName = Annotated[str, AfterValidator(read_rule_name)]
RulePattern = Annotated[Pattern, BeforeValidator(read_pattern)]
HeaderValue = Annotated[SecretStr, AfterValidator(read_header_value)]


class HeaderRule(Tagged):
    """One rule; ``rule`` names its kind."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    tag: ClassVar[str] = "rule"

    rule: str
    """Kind of rule: "forward", "insert", "remove" or "rename_duplicate"."""

    @classmethod
    def variants(cls) -> Mapping[str, type[Table]]:
        return _RULES

    def apply(self, incoming: Mapping[str, str], result: dict[str, str]) -> None:
        """Changes ``result``, the headers to send so far; ``incoming`` are the client's."""
        raise NotImplementedError

    def named(self) -> dict[str, str]:
        """The headers that the rule names, by the key that names each."""
        names = ((key, getattr(self, key, None)) for key in ("name", "rename"))
        return {key: name for key, name in names if name is not None}

    def removed_credentials(self) -> frozenset[str]:
        """The credential headers that the rule removes by name, the provider's own included."""
        return frozenset()

    def summary(self) -> str:
        """The rule on one line, with names only and never a value."""
        raise NotImplementedError


class NamingRule(HeaderRule):
    """A rule that can send a client's or a configured value to the vendor."""

    allow_secret: bool = False
    """Required if the rule names a header that carries a credential."""

    def problems(self) -> Iterator[Location]:
        secret = [key for key, name in self.named().items() if is_secret(name)]
        yield from (((key,), SECRET) for key in secret if not self.allow_secret)
        if self.allow_secret and not secret:
            yield ("allow_secret",), UNUSED_SECRET


class Forward(NamingRule):
    """Forwards headers of the client."""

    rule: Literal["forward"] = "forward"
    """Kind of this rule."""

    name: RuleName | None = None
    """Header to forward. Either name or pattern is required."""

    pattern: RulePattern | None = None
    """Regular expression, searched for in header names; forwards all matching headers except credentials and those of
    the connection."""

    default: HeaderValue | None = None
    """Value to send if the client did not send the header."""

    rename: RuleName | None = None
    """Name to forward it under."""

    def problems(self) -> Iterator[Location]:
        yield from _either(self.name, self.pattern)
        if self.pattern is not None and self.default is not None:
            yield ("default",), "has no effect with pattern, which may match several headers; use name instead"

    def apply(self, incoming: Mapping[str, str], result: dict[str, str]) -> None:
        if self.pattern is not None:
            for name, sent in incoming.items():
                if not matches_no_pattern(name) and self.pattern.matches(name):
                    result[self.rename or name] = sent
            return
        assert self.name is not None, "the settings require a name or a pattern"
        result.pop(self.name, None)
        value = _value(self.name, incoming, self.default)
        if value is not None:
            result[self.rename or self.name] = value

    def summary(self) -> str:
        renamed = f" as {self.rename}" if self.rename is not None else ""
        return f"{self.rule} {_meant(self.name, self.pattern)}{renamed}{_notes(self.default, self.allow_secret)}"


class Insert(NamingRule):
    """Sets a header."""

    rule: Literal["insert"] = "insert"
    """Kind of this rule."""

    name: RuleName
    """Header to set."""

    value: HeaderValue
    """Value of the header; may be a template such as "{{ env.TEAM_TOKEN }}"."""

    def apply(self, incoming: Mapping[str, str], result: dict[str, str]) -> None:
        result[self.name] = self.value.get_secret_value()

    def summary(self) -> str:
        return f"{self.rule} {self.name}{_notes(None, self.allow_secret)}"


class Remove(HeaderRule):
    """Removes a header that an earlier rule or the provider would send."""

    rule: Literal["remove"] = "remove"
    """Kind of this rule."""

    name: RuleName | None = None
    """Header to remove. Either name or pattern is required."""

    pattern: RulePattern | None = None
    """Regular expression, searched for in header names; removes all matching headers."""

    def problems(self) -> Iterator[Location]:
        yield from _either(self.name, self.pattern)

    def apply(self, incoming: Mapping[str, str], result: dict[str, str]) -> None:
        for name in list(result):
            if name == self.name or (self.pattern is not None and self.pattern.matches(name)):
                del result[name]

    def removed_credentials(self) -> frozenset[str]:
        return frozenset() if self.name is None or not is_secret(self.name) else frozenset({self.name})

    def summary(self) -> str:
        return f"{self.rule} {_meant(self.name, self.pattern)}"


class RenameDuplicate(NamingRule):
    """Forwards a header of the client under its own name and a second one."""

    rule: Literal["rename_duplicate"] = "rename_duplicate"
    """Kind of this rule."""

    name: RuleName
    """Header to forward."""

    rename: RuleName
    """Second name to send it under."""

    default: HeaderValue | None = None
    """Value to send if the client did not send the header."""

    def apply(self, incoming: Mapping[str, str], result: dict[str, str]) -> None:
        value = _value(self.name, incoming, self.default)
        if value is not None:
            result[self.name] = result[self.rename] = value

    def summary(self) -> str:
        return f"{self.rule} {self.name} and {self.rename}{_notes(self.default, self.allow_secret)}"


_RULES: Mapping[str, type[HeaderRule]] = {
    "forward": Forward,
    "insert": Insert,
    "remove": Remove,
    "rename_duplicate": RenameDuplicate,
}


def _value(name: str, incoming: Mapping[str, str], default: SecretStr | None) -> str | None:
    if name in incoming:
        return incoming[name]
    return default.get_secret_value() if default is not None else None


def _meant(name: str | None, pattern: Pattern | None) -> str:
    return name or f"/{pattern.text if pattern else ''}/"


def _notes(default: SecretStr | None, allow_secret: bool) -> str:
    return (" (with a default)" if default is not None else "") + (" (a credential)" if allow_secret else "")


def _either(name: str | None, pattern: Pattern | None) -> Iterator[Location]:
    if name is None and pattern is None:
        yield ("name",), NO_NAME
    if name is not None and pattern is not None:
        yield ("pattern",), BOTH


HeaderRules = tuple[Annotated[HeaderRule, WrapValidator(HeaderRule.read)], ...]
"""The type of a ``headers`` key."""


def writers(path: KeyPath, rules: HeaderRules, header: str) -> Iterator[tuple[KeyPath, str]]:
    """The rules that name ``header``: the path of each below ``path``, and the key that names it."""
    for index, rule in enumerate(rules):
        yield from (((*path, index), key) for key, name in rule.named().items() if name == header)
