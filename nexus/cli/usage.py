"""``nexus usage``: a usage report, read from the gateway's usage store whether or not the gateway runs."""

from __future__ import annotations

import sys
import time
from contextlib import closing

from nexus.accounting.database import Database, DatabaseError, version_of
from nexus.accounting.report import since_of
from nexus.accounting.report import usage as report_of
from nexus.accounting.state import file_of, open_store
from nexus.accounting.tables import VERSION
from nexus.accounting.tabulate import WRITERS
from nexus.cli.options import CommandError, Options
from nexus.cli.output import put
from nexus.headers.tags import TAG, is_tag
from nexus.server.process.source import Source
from nexus.settings import Settings, secrets
from nexus.settings.problems import CannotServe
from nexus.settings.usage import MEMORY, NONE
from nexus.telemetry.logs import redactor


def usage(options: Options, settings: Settings, source: Source) -> int:
    """Prints a report; returns the exit code. Expects validated options."""
    try:
        with closing(_opened(settings.origin.store)) as database:
            now = time.time()
            text = WRITERS[options.written](
                report_of(database, by=options.by, since=since_of(options.since, now), now=now)
            )
    except (DatabaseError, CannotServe) as error:
        raise CommandError(redactor(secrets(settings))(str(error))) from None
    if is_tag(options.by) and (tag := options.by.removeprefix(TAG)) not in settings.usage.tags:
        sys.stderr.write(f"nexus usage: usage.tags does not list {tag}, so new calls cannot have it\n")
    put(text)
    return 0


def _opened(store: str) -> Database:
    """Opens the usage store. Raises DatabaseError, also if there is nothing to read, and CannotServe."""
    if store == NONE:
        raise DatabaseError('these settings keep no usage: [usage] store is "none"')
    if store == MEMORY:
        raise DatabaseError("usage is in the memory of the running gateway: GET /usage/v1/report")
    file = file_of(store)
    try:
        if file is not None:
            file.stat()
    except FileNotFoundError:
        raise DatabaseError(f"{file} does not exist: no gateway has run with these settings, as this user") from None
    except OSError as error:
        raise DatabaseError(f"{file}: {(error.strerror or str(error)).lower()}") from None
    database = open_store(store)
    assert database is not None
    with database.transaction(write=False) as transaction:
        version = version_of(transaction, database)
        if version == 0:
            raise DatabaseError("it has no tables: no gateway has recorded usage in it")
        if version < VERSION:
            raise DatabaseError("its tables were made by an older Nexus; start this version once to migrate them")
    return database
