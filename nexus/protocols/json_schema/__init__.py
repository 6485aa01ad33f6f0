"""Adapts clients' JSON Schemas to what vendors accept; pure, and without any dialect's wire format.

A writer asks for what its vendor requires: references in one place (``refs``), an object without unions at the root
(``roots``), the subset that constrains decoding (``closed``). Everything that a schema loses is reported by its path.
"""
