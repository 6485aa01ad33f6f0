"""JSON Schemas of clients, fitted to what vendors take of them: pure, and without any dialect's wire format.

A writer asks for what its vendor demands: references in one place (``refs``), an object without unions at the root
(``roots``), the subset that constrains decoding (``closed``). What a schema loses is named by its path.
"""
