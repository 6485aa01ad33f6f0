"""The dialects that clients speak, by name.

Law: a table, so that a new dialect is one line here and one folder beside it.
"""

from __future__ import annotations

from nexus.protocols.chat import dialect as chat
from nexus.protocols.dialect import Dialect
from nexus.protocols.messages import dialect as messages
from nexus.protocols.responses import dialect as responses

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect for dialect in (chat.DIALECT, messages.DIALECT, responses.DIALECT)
}
