"""The adapter of ``requests``, which is loaded here without the library that guesses the encoding of texts.

Nexus never asks for that, and it takes 2.6 MB. Since 2.32, requests reads such texts as UTF-8 without it, but warns.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, cast

_ABSENT = [name for name in ("chardet", "charset_normalizer") if name not in sys.modules]

sys.modules.update(dict.fromkeys(_ABSENT, cast(Any, None)))
try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from requests.adapters import HTTPAdapter as HTTPAdapter
finally:
    for _name in _ABSENT:
        del sys.modules[_name]
