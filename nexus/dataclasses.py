"""Cheap dataclasses: only the type checker keeps them frozen; the only generated code is ``__init__``, compiled when
the first instance is made; the fields of one with slots are computed then, or when they are first read.

A frozen dataclass of the standard library sets each field through ``object.__setattr__``, which takes ten times as
long, and creating its class takes ten times as long; a start creates hundreds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["asdict", "dataclass", "field", "fields", "replace"]

if TYPE_CHECKING:
    from dataclasses import asdict, dataclass, field, fields, replace
else:
    import dataclasses
    from dataclasses import asdict, field, fields
    from functools import cache
    from inspect import get_annotations
    from operator import attrgetter
    from reprlib import recursive_repr
    from threading import RLock

    def dataclass(cls=None, /, *, frozen=False, repr=True, eq=True, slots=False, **options):
        """As ``dataclasses.dataclass``."""

        def make(cls):
            # Instead of the signature, whose computation takes longer than everything else.
            cls.__doc__ = cls.__doc__ or cls.__name__
            fill = dataclasses.dataclass(init=False, repr=False, eq=False, **options)
            made = _with_slots(cls, fill) if slots else fill(cls)
            own = {"__init__": _constructor(made)}
            if repr:
                own["__repr__"] = _repr
            if eq:
                own |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
            for name, value in own.items():
                if name not in cls.__dict__:
                    setattr(made, name, value)
            return made

        return make if cls is None else make(cls)

    def replace(value, /, **changes):
        """As ``dataclasses.replace``, without examining each field every time."""
        names, read = _given(value.__class__)
        return value.__class__(**dict(zip(names, read(value), strict=True)) | changes)

    @cache
    def _given(cls):
        """The names that the constructor takes, and a function that reads their values."""
        names = [field.name for field in fields(cls) if field.init]
        return names, attrgetter(*names) if len(names) > 1 else lambda value: [getattr(value, name) for name in names]

    def _with_slots(cls, fill):
        """Another class with slots; it takes the results of ``fill`` on the one without when they are first read."""
        names = [name for name, kind in get_annotations(cls).items() if not _is_class_variable(kind)]
        inherited = {slot for base in cls.__mro__ for slot in base.__dict__.get("__slots__", ())}
        body = {name: value for name, value in cls.__dict__.items() if name not in (*names, "__dict__", "__weakref__")}
        body |= {"__qualname__": cls.__qualname__, "__slots__": [name for name in names if name not in inherited]}
        return type(cls)(cls.__name__, cls.__bases__, body | {name: _Late(name, cls, fill) for name in _FILLED})

    _ALONE = RLock()
    _FILLED = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")

    def _is_class_variable(kind):
        return str(kind).removeprefix("typing.").startswith("ClassVar")

    class _Late:
        """One of ``_FILLED`` until it is first read. Filling modifies a class temporarily, so only one thread may do it
        at a time."""

        __slots__ = ("fill", "name", "owner", "plain")

        def __init__(self, name, plain, fill):
            self.name, self.plain, self.fill = name, plain, fill

        def __set_name__(self, owner, name):
            self.owner = owner

        def __get__(self, instance, cls):
            with _ALONE:
                if vars(self.owner)[self.name] is self:
                    filled = self.fill(self.plain)
                    for name in _FILLED:
                        setattr(self.owner, name, getattr(filled, name))
            return getattr(self.owner, self.name)

    def _constructor(cls):
        def __init__(self, *values, **named):
            # A subclass without new fields has the same constructor.
            subclass = type(cls.__name__, (cls,), {"__qualname__": cls.__qualname__, "__doc__": cls.__doc__})
            cls.__init__ = dataclasses.dataclass(repr=False, eq=False)(subclass).__init__
            cls.__init__(self, *values, **named)

        return __init__

    @recursive_repr()
    def _repr(self):
        shown = [field.name for field in fields(self) if field.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @cache
    def _compared(cls):
        """A function that reads the values by which instances are compared."""
        names = [field.name for field in fields(cls) if field.compare]
        return attrgetter(*names) if names else lambda value: ()

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = _compared(self.__class__)
        return values(self) == values(other)

    def _hash(self):
        return hash(_compared(self.__class__)(self))
