"""What JSON preserves: data and items have to be read back as they were written, and must not change in place."""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    Discriminator,
    FutureDatetime,
    JsonValue,
    NaiveDatetime,
    PastDatetime,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
)
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

_TEXT = (str, Decimal, UUID, date, AwareDatetime, time, timedelta, Enum, PurePath)
"""What JSON writes as text, so that a union can have only one of them."""

_MAYBE_NAIVE = (datetime, NaiveDatetime, PastDatetime, FutureDatetime)

_SECRETS = (Secret, SecretStr, SecretBytes)


def serialization_problems(kind: Any, subject: str) -> list[str]:  # noqa: ANN401  a type
    """Return what is lost when a value of a type is written as JSON and read back, and what could be changed in it."""
    found = list(_Look(subject).look(kind))
    if found:
        return found
    try:
        TypeAdapter(kind).json_schema(mode="serialization")
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        return [f"{subject} does not survive JSON: {str(error).splitlines()[0]}"]
    return []


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at the types within a type. `subject` names the place, `finite` whether its numbers are."""

    subject: str
    finite: bool = False
    within: tuple[Any, ...] = ()

    def look(self, kind: Any, metadata: Sequence[Any] = ()) -> Iterator[str]:  # noqa: ANN401  a type
        origin, args = get_origin(kind), get_args(kind)
        if kind is JsonValue or origin is Literal:
            return
        if origin is Annotated:
            yield from self.look(args[0], args[1:])
        elif isinstance(kind, NewType):
            yield from self.look(kind.__supertype__, metadata)
        elif hasattr(kind, "__value__"):
            yield from self.alias(kind, metadata)
        elif is_union(origin):
            yield from self.union(args, metadata)
        elif isinstance(origin or kind, type) and kind not in {Any, object}:
            yield from self.classed(origin or kind, args, metadata)
        elif kind is not Ellipsis and kind is not None:
            yield from self.loose(kind)

    def alias(self, kind: Any, metadata: Sequence[Any]) -> Iterator[str]:  # noqa: ANN401  a type
        """Look at what a type alias stands for, once."""
        if kind not in self.within:
            yield from replace(self, within=(*self.within, kind)).look(kind.__value__, metadata)

    def loose(self, kind: object) -> Iterator[str]:
        """Check for a type that is too general. What cannot be an annotation at all is left to pydantic."""
        if kind is Any or kind is object or isinstance(kind, TypeVar):
            yield f"{self.subject} may be anything, and is read back as something else: say which type it is"

    def classed(self, kind: type, args: Sequence[Any], metadata: Sequence[Any]) -> Iterator[str]:
        """Look at a class, and at what it holds."""
        if issubclass(kind, BaseModel):
            yield from self.model(kind)
        elif is_dataclass(kind):
            yield from self.dataclass(kind)
        elif issubclass(kind, _SECRETS):
            yield f"{self.subject} is a {kind.__name__}, of which JSON keeps nothing but stars: keep a reference to it"
        elif issubclass(kind, bytes | bytearray):
            yield f"{self.subject} is {kind.__name__}, for which JSON has no word: keep it as text, such as base64"
        elif issubclass(kind, float) and not (self.finite or _is_declared_finite(metadata)):
            yield f"{self.subject} may be nan or infinite, which JSON cannot say: declare it pydantic.FiniteFloat"
        elif issubclass(kind, _MAYBE_NAIVE):
            yield f"{self.subject} may be a time without a zone, which is no moment: declare it pydantic.AwareDatetime"
        elif issubclass(kind, Iterable) and not issubclass(kind, str | Enum | PurePath):
            yield from self.collection(kind, args)

    def collection(self, kind: type, args: Sequence[Any]) -> Iterator[str]:
        """Look at a collection: a tuple or a Mapping, in an order of its own and never changed."""
        if kind is Mapping or issubclass(kind, tuple):
            if kind is Mapping:
                yield from self.keys(args[0] if args else Any)
            if hasattr(kind, "_fields"):
                args = tuple((yield from self.hints(kind)).values())
            for each in args or (Any,):
                yield from self.look(each)
            return
        what = f"{self.subject} is a {kind.__name__}, which"
        if issubclass(kind, Mapping):
            yield f"{what} can be changed in place: declare it a Mapping or a frozen model"
        elif issubclass(kind, Sequence):
            yield f"{what} can be changed in place: declare it a tuple"
        else:
            yield f"{what} has no order that JSON could keep: declare it a tuple"

    def keys(self, kind: Any) -> Iterator[str]:  # noqa: ANN401  a type
        plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        is_plain = isinstance(plain, type) and issubclass(plain, (*_TEXT, int))
        if not is_plain and get_origin(plain) is not Literal:
            yield f"{self.subject} has keys of {name_of(kind)}, and in JSON a key is text: let them be str"

    def union(self, args: Sequence[Any], metadata: Sequence[Any]) -> Iterator[str]:
        """Look at a union: its members must look different in JSON."""
        discriminated = any(
            isinstance(each, Discriminator) or getattr(each, "discriminator", None) for each in metadata
        )
        written = [form for each in args if (form := _form(each))]
        for form in sorted({form for form in written if written.count(form) > 1}):
            if not (discriminated and form == "object"):
                kinds = " or ".join(name_of(each) for each in args if _form(each) == form)
                yield (
                    f"{self.subject} is {kinds}, which look alike in JSON: "
                    "let it be one of them, or models with a discriminator"
                )
        for each in args:
            yield from self.look(each, metadata)

    def model(self, model: type[BaseModel]) -> Iterator[str]:
        """Look at a model, and at its fields."""
        if model in self.within:
            return
        config = model.model_config
        if not config.get("frozen"):
            yield f"{self.called(model)} can be changed in place: declare its model frozen"
        if model.model_computed_fields and config.get("extra") in {"allow", "forbid"}:
            yield f"{self.subject} has computed fields, which are written and not read: let the model ignore extras"
        for name in model.__private_attributes__:
            yield f"{self.subject}.{name} is private, and forgotten at the first save: make it a field"
        by_name = config.get("validate_by_name") or config.get("populate_by_name")
        for name, field in model.model_fields.items():
            inner = self.inside(model, name, finite=config.get("allow_inf_nan") is False)
            yield from inner.field(field, by_name=bool(by_name))

    def field(self, field: FieldInfo, *, by_name: bool) -> Iterator[str]:
        if field.exclude:
            yield f"{self.subject} is excluded from JSON, and forgotten at the first save: remove exclude"
        if field.validation_alias is not None and not by_name:
            yield (
                f"{self.subject} is written under its name and read under an alias: "
                "remove the alias, or let the model validate_by_name"
            )
        yield from self.look(field.annotation, (field, *field.metadata))

    def dataclass(self, kind: type) -> Iterator[str]:
        """Look at a dataclass, and at its fields."""
        if kind in self.within:
            return
        if not kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # every dataclass has them
            yield f"{self.called(kind)} can be changed in place: declare it frozen"
        for name, held in (yield from self.hints(kind)).items():
            yield from self.inside(kind, name).look(held)

    def hints(self, kind: type) -> Generator[str, None, dict[str, Any]]:
        """Return the types of what a class holds, by name; or yield why they cannot be read."""
        try:
            return get_type_hints(kind, include_extras=True)
        except NameError as error:
            yield f"{self.subject}: {error}; import it where the saga is declared, at run time"
            return {}

    def called(self, kind: type) -> str:
        """Name the place, and what stands there if that is not the place itself."""
        return f"{self.subject} is a {kind.__name__}, which" if self.within else self.subject

    def inside(self, kind: type, name: str, *, finite: bool = False) -> "_Look":
        """Look at what a class holds under a name."""
        return _Look(f"{self.subject}.{name}", finite, (*self.within, kind))


def _form(kind: Any) -> str | None:  # noqa: ANN401  a type
    """Return as what JSON a type is written, where another type may be written alike."""
    kind = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    found = get_origin(kind) or kind
    if not isinstance(found, type) or found is NoneType:
        return None
    if issubclass(found, _TEXT):
        return "text"
    if issubclass(found, BaseModel | Mapping) or is_dataclass(found):
        return "object"
    return "array" if issubclass(found, Collection) else None


def is_union(origin: object) -> bool:
    """Return whether the origin of a type is a union, in either spelling."""
    return origin in {Union, UnionType}


def _is_declared_finite(metadata: Sequence[Any]) -> bool:
    said = [*metadata, *(each for field in metadata if isinstance(field, FieldInfo) for each in field.metadata)]
    return any(getattr(each, "allow_inf_nan", None) is False for each in said)


def name_of(thing: object) -> str:
    """Return the name of a function or type, for people."""
    return str(thing) if get_args(thing) else str(getattr(thing, "__name__", thing))
