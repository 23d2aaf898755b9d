"""SQL that a mapping holds: parsed, checked against an allow-list, and written again with quoted identifiers.

A mapping may not run code or read the session: one scalar expression over known columns, no subquery, no statement, and
only functions listed here. Spark's ``java_method`` and ``reflect`` would read the process's secrets, and so would
``${env:NAME}``, which Spark replaces in every statement, even within a text.

Functions are parsed as plain calls and written again as they were: a parser that knows them better would rewrite
``log10(x)`` to ``log(10, x)``, which is 2.9999999999999996 for 1000.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from mlbsdk.errors import did_you_mean
from mlbsdk.mapping.types import ColumnType

_MOST_CHARACTERS = 10_000
_MOST_DIGITS = 38
_SHOWN_CHARACTERS = 120
_ANY = 99

#: What a mapping may call, by what it returns, with its number of arguments: ``name`` is one; ``name/2``; ``name/2-3``.
_SIGNATURES = {
    "number": """
        abs ceil/1-2 ceiling/1-2 floor/1-2 round/1-2 bround/1-2 sign signum sqrt cbrt pow/2 power/2 exp ln log/1-2 log10
        log2 mod/2 pmod/2 sin cos tan asin acos atan atan2/2 radians degrees negative
        try_divide/2 try_add/2 try_subtract/2 try_multiply/2
        length len char_length character_length ascii instr/2 locate/2-3 position/2-3 levenshtein/2-3
        year quarter month day dayofmonth dayofweek weekday dayofyear weekofyear hour minute second
        datediff/2 date_diff/2 months_between/2-3 unix_timestamp/0-2 size cardinality json_array_length
        hash/1- xxhash64/1- crc32 tinyint smallint int bigint float double decimal""",
    "text": """
        concat/1- concat_ws/1- lower upper lcase ucase trim ltrim/1-2 rtrim/1-2 btrim/1-2 substring/2-3 substr/2-3
        left/2 right/2 lpad/2-3 rpad/2-3 replace/2-3 translate/3 split_part/3 substring_index/3 regexp_extract/2-3
        regexp_replace/3-4 initcap repeat/2 format_number/2 date_format/2 from_unixtime/1-2 get_json_object/2 sha2/2
        sha1 md5 chr char string""",
    "boolean": """
        isnan isnull isnotnull startswith/2 endswith/2 contains/2 regexp_like/2 rlike/2 like/2 ilike/2 array_contains/2
        boolean""",
    "moment": """
        to_date/1-2 to_timestamp/1-2 try_to_timestamp/1-2 date timestamp date_add/2 date_sub/2 add_months/2 last_day
        next_day/2 date_trunc/2 trunc/2 to_utc_timestamp/2 from_utc_timestamp/2 make_date/3 make_timestamp/6-7
        timestamp_seconds timestamp_millis current_timestamp/0 current_date/0""",
    "list": "array/0- split/2-3 sort_array/1-2 array_distinct",
    "any": "coalesce/1- nullif/2 nvl/2 nvl2/3 ifnull/2 if/3 greatest/2- least/2- nanvl/2 element_at/2 get/2 reverse",
}


def _functions() -> dict[str, tuple[str, int, int]]:
    found = {}
    for kind, names in _SIGNATURES.items():
        for signature in names.split():
            name, _, count = signature.partition("/")
            low, dash, high = (count or "1").partition("-")
            found[name] = (kind, int(low), int(high or _ANY) if dash else int(low))
    return found


_CALLS = _functions()
FUNCTIONS = frozenset(_CALLS)

_WORDS = {
    "Subquery": "a subquery",
    "Select": "a query",
    "Exists": "a subquery",
    "JSONExtract": "'->'",
    "CurrentUser": "the session's user",
    "Window": "a window function",
    "Lambda": "a lambda",
    "Star": "'*'",
    "Parameter": "a parameter",
    "SessionParameter": "a session variable",
    "Placeholder": "a placeholder",
    "Alias": "an alias",
    "Dot": "a name with a dot",
    "Tuple": "several values in parentheses",
    "Concat": "two texts side by side (for a quote within a text write \\')",
    "RawString": "an r'...' text (write '\\\\d' for a backslash and a d)",
}
_COMPARISONS = frozenset(
    [
        "EQ",
        "NEQ",
        "NullSafeEQ",
        "NullSafeNEQ",
        "GT",
        "GTE",
        "LT",
        "LTE",
        "Is",
        "Like",
        "ILike",
        "RLike",
        "RegexpLike",
        "In",
        "Between",
    ]
)
_LOGIC = frozenset(["Not", "And", "Or"])
_ARITHMETIC = frozenset(["Add", "Sub", "Mul", "Div", "IntDiv", "Mod", "Neg", "DPipe"])
_SCALARS = frozenset(["Identifier", "Literal", "Null", "Boolean", "Paren", "Case", "If", "Cast", "TryCast", "Bracket"])
_DETAILS = frozenset(["DataType", "DataTypeParam", "Interval", "Var", "Escape"])
_CALL_KINDS = frozenset(["Anonymous", "Array", "Trim", "Substring", "StrPosition", "CurrentDate", "CurrentTimestamp"])
_ALLOWED = _COMPARISONS | _LOGIC | _ARITHMETIC | _SCALARS | _DETAILS | _CALL_KINDS
_CAST_TYPES = frozenset(
    [
        *("TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL", "TEXT", "VARCHAR", "CHAR", "BOOLEAN"),
        *("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ"),
    ]
)
_UNITS = frozenset(["YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"])

_LITERAL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`"""
_QUOTED = re.compile(rf"(?P<quoted>{_LITERAL})|(?P<comment>--|/\*)|(?P<open>['\"`])|(?P<end>;)", re.DOTALL)
_PATH_NAME = "__path_"
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = frozenset("\\'\"nrt%_")
_PATH = re.compile(
    rf"(?P<text>{_LITERAL})|"
    r"(?P<path>(?:\$|(?<![\w.`])(?:parent(?:\.parent)*|root|previous)(?=[.\[]))"
    r"""(?:\.[A-Za-z_]\w*|\[[0-9]+\]|\['[^']+'\]|\["[^"]+"\])+|\$(?![\w{]))""",
    re.DOTALL,
)


class ExpressionError(ValueError):
    """An expression is not allowed, or not understood."""


@dataclass(frozen=True)
class Checked:
    """An expression that passed: Spark SQL with quoted identifiers, the columns that it reads, and what it gives.

    ``kind`` is number, text, boolean, moment (a date or time), interval or list; None where that can't be told.
    """

    sql: str
    columns: tuple[str, ...]
    kind: str | None = None


Known = Mapping[str, "ColumnType | None"]
"""Columns by name, with their types; None for a JSON path of a filter, whose value is text until it is compared."""


def check_expression(text: str, known: Known) -> Checked:
    """Check one scalar Spark SQL expression over the ``known`` columns.

    Raises:
        ExpressionError: it does not parse, names an unknown column, or uses something that a mapping may not.
    """
    return _Check(text, known).checked(is_condition=False)


def check_condition(text: str, known: Known, shown: str | None = None) -> Checked:
    """Check one boolean Spark SQL expression; ``shown`` is how messages quote it.

    Raises:
        ExpressionError: as :func:`check_expression`, or it is plainly not true or false.
    """
    return _Check(text, known, shown).checked(is_condition=True)


def take_paths(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Replace the item paths in a filter by names, which no column can have.

    Returns:
        The SQL, and (name, path) for each path: ``$.isPitch = true`` gives ``__path_0 = true`` and ``("__path_0",
        "$.isPitch")``.
    """
    names: dict[str, str] = {}

    def name_of(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"]
        return names.setdefault(match["path"], f"{_PATH_NAME}{len(names)}")

    sql = _PATH.sub(name_of, text)
    return sql, tuple((name, path) for path, name in names.items())


@lru_cache(maxsize=1)
def _dialect() -> Any:
    """Return Spark's grammar with functions as plain calls."""
    from sqlglot import exp
    from sqlglot.dialects.spark import Spark

    parser = Spark.Parser
    special = ("CAST", "TRY_CAST", "TRIM", "SUBSTRING", "POSITION")

    class MappingSql(Spark):
        class Parser(parser):  # type: ignore[misc, valid-type]  # sqlglot's own way to extend a dialect
            FUNCTIONS = {"ARRAY": exp.Array.from_arg_list}  # noqa: RUF012  # else array(1, 2)[0] loses its items
            FUNCTION_PARSERS = {name: parser.FUNCTION_PARSERS[name] for name in special}  # noqa: RUF012
            NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
                name: parser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE", "IF")
            }

    return MappingSql


class _Check:
    def __init__(self, text: str, known: Known, shown: str | None = None) -> None:
        self.text = text
        self.known = known
        self.by_lower_case = {name.lower(): name for name in known}
        self.shown = shown or text

    def wrong(self, message: str) -> ExpressionError:
        shown = self.shown if len(self.shown) <= _SHOWN_CHARACTERS else self.shown[:_SHOWN_CHARACTERS] + "..."
        return ExpressionError(f"'{shown}'{'' if message.startswith(':') else ' '}{message}")

    def checked(self, is_condition: bool) -> Checked:
        try:
            self._check_text()
            tree = self._parsed()
            for node in tree.walk():
                self._check_node(node)
            if is_condition:
                self._require_boolean(tree)
            kind = self._kind(tree)
            tree = _with_usable_paths(tree, self.known, is_condition)
            names = dict.fromkeys(column.name for column in tree.find_all(_exp().Column))
            sql = tree.sql(dialect=_dialect(), identify=True, normalize_functions=False, comments=False)
        except RecursionError as problem:
            raise self.wrong("is nested too deeply; compute parts of it in fields of their own") from problem
        return Checked(sql, tuple(names), kind)

    # The text

    def _check_text(self) -> None:
        if len(self.text) > _MOST_CHARACTERS:
            raise self.wrong(f"has {len(self.text)} characters; an expression has at most {_MOST_CHARACTERS}")
        for match in _QUOTED.finditer(self.text):
            if match["comment"]:
                raise self.wrong("holds a comment; write it as a YAML comment, after '#', or as the description")
            if match["end"]:
                raise self.wrong("must be one expression, without ';'")
            if match["open"]:
                raise self.wrong(f"has a {match['open']} that is not closed")
            if match["quoted"] and match["quoted"][0] != "`":
                self._check_escapes(match["quoted"])

    def _check_escapes(self, quoted: str) -> None:
        for escape in _ESCAPE.finditer(quoted):
            if escape[1] not in _ESCAPES:
                character = escape[1] if escape[1].isprintable() else f"U+{ord(escape[1]):04X}"
                raise self.wrong(
                    f"has a text with a backslash before {character}, which Spark does not keep; "
                    f"write \\\\{character} for both"
                )

    def _parsed(self) -> Any:
        import sqlglot

        try:
            parsed = sqlglot.parse(self.text, read=_dialect())
        except sqlglot.errors.SqlglotError as problem:
            lines = re.sub(r"\x1b\[\d*m", "", str(problem)).splitlines()
            reason = re.sub(r" for <class '[\w.]+'>", "", lines[0] if lines else "not understood")
            raise self.wrong(f"is not a SQL expression: {reason}") from problem
        if len(parsed) != 1 or parsed[0] is None:
            raise self.wrong("must be one expression")
        return parsed[0]

    # Its parts

    def _check_node(self, node: Any) -> None:
        kind = type(node).__name__
        if kind == "Column":
            self._check_column(node)
        elif kind not in _ALLOWED:
            what = _WORDS.get(kind) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
            raise self.wrong(f"holds {what}, which a mapping may not use")
        elif kind in _CALL_KINDS:
            self._check_call(node, kind)
        elif kind in _LOGIC:
            for operand in _operands(node):
                self._require_boolean(operand)
        elif kind in _COMPARISONS | _ARITHMETIC:
            self._check_operands(node)
        check: Callable[[Any], None] | None = getattr(self, f"_check_{kind.lower()}", None)
        if check is not None and kind in _DETAILED:
            check(node)

    def _check_column(self, node: Any) -> None:
        if node.table:
            raise self.wrong(f": write columns without a table, not '{node.sql()}'")
        name = self.by_lower_case.get(node.name.lower())
        if name is None:
            known = [name for name in self.known if not name.startswith("__")]
            raise self.wrong(f": no column '{node.name}'.{did_you_mean(node.name, known)}")
        node.this.set("this", name)

    def _check_call(self, node: Any, kind: str) -> None:
        if kind != "Anonymous":
            return
        if not isinstance(node.this, str):
            raise self.wrong(f"quotes the name of the function '{node.name}'; write it without quotes")
        name = node.name.lower()
        call = _CALLS.get(name)
        if call is None:
            raise self.wrong(
                f": function '{name}' is not on the list of functions that a mapping may call."
                f"{did_you_mean(name, FUNCTIONS)}"
            )
        _, least, most = call
        if not least <= len(node.expressions) <= most:
            wanted = str(least) if least == most else f"{least} or more" if most == _ANY else f"{least} to {most}"
            raise self.wrong(f": {name}() takes {wanted} arguments, not {len(node.expressions)}")

    def _check_operands(self, node: Any) -> None:
        """Refuse a comparison that is compared: Spark and other databases group ``a = b < c`` differently."""
        for operand in _operands(node):
            if type(operand).__name__ in _COMPARISONS | _LOGIC | {"Escape"}:
                raise self.wrong("compares a comparison; write parentheses around the inner one")

    def _check_is(self, node: Any) -> None:
        if type(node.expression).__name__ not in ("Null", "Boolean"):
            raise self.wrong("has an IS that is not followed by NULL, TRUE or FALSE")

    def _check_in(self, node: Any) -> None:
        if not node.expressions or node.args.get("query") or node.args.get("field") or node.args.get("unnest"):
            raise self.wrong("has an IN without a list of values in parentheses")

    def _check_if(self, node: Any) -> None:
        self._require_boolean(node.this, is_case=type(node.parent).__name__ == "Case" and node.parent.this is not None)
        if type(node.parent).__name__ != "Case" and node.args.get("false") is None:
            raise self.wrong(": if() takes 3 arguments, not 2")

    def _check_case(self, node: Any) -> None:
        if not node.args.get("ifs"):
            raise self.wrong("has a CASE without WHEN")

    def _check_cast(self, node: Any) -> None:
        if node.args.get("format") is not None:
            raise self.wrong("casts with a FORMAT, which Spark does not have")
        text = node.this
        if type(text).__name__ == "Literal" and text.is_string and node.to.this.name == "DATE":
            try:
                date(*map(int, text.this.split("-")))
            except (TypeError, ValueError):
                raise self.wrong(f"holds '{text.this}', which is not a date") from None

    _check_trycast = _check_cast

    def _check_datatype(self, node: Any) -> None:
        if getattr(node.this, "name", "") not in _CAST_TYPES:
            raise self.wrong(f"casts to {node.sql('spark')}; a mapping casts to types that columns have")

    def _check_interval(self, node: Any) -> None:
        unit = node.args.get("unit")
        if (
            type(node.this).__name__ not in ("Literal", "Neg")
            or unit is None
            or unit.name.upper().removesuffix("S") not in _UNITS
        ):
            raise self.wrong("has an INTERVAL that is not a number and a unit, such as INTERVAL 1 DAY")

    def _check_bracket(self, node: Any) -> None:
        if type(node.this).__name__ == "Column":
            raise self.wrong(f": '{node.this.name}' holds one value, so [...] has nothing to look into")

    def _check_literal(self, node: Any) -> None:
        if node.is_string:
            if "${" in node.this:
                raise self.wrong("holds '${', which Spark would replace by a setting")
        elif sum(char.isdigit() for char in node.this) > _MOST_DIGITS:
            raise self.wrong(f"holds a number of more than {_MOST_DIGITS} digits")

    # True or false

    def _require_boolean(self, node: Any, is_case: bool = False) -> None:
        if not is_case and self._kind(node) not in ("boolean", None):
            what = "" if node.parent is None else f" at '{node.sql('spark'):.60}'"
            raise self.wrong(f"must be true or false{what}: compare it with something")

    def _kind(self, node: Any) -> str | None:
        """Return what a part gives; None where that can't be told."""
        name = type(node).__name__
        if name in _KINDS:
            return _KINDS[name]
        if name in ("Paren", "Neg"):
            return self._kind(node.this)
        if name == "Literal":
            return "text" if node.is_string else "number"
        if name == "Column":
            type_ = self.known.get(self.by_lower_case.get(node.name.lower(), ""))
            return None if type_ is None else type_.kind
        if name in ("Cast", "TryCast"):
            return _KIND_OF_CAST.get(node.to.this.name, "number")
        if name == "Anonymous":
            kind = _CALLS.get(node.name.lower(), ("any",))[0]
            return None if kind == "any" else kind
        if name in ("Add", "Sub"):
            both = {self._kind_of_operand(node.this), self._kind_of_operand(node.expression)}
            return "number" if both <= {"number", "text"} else "moment" if both == {"moment", "interval"} else None
        if name in ("Case", "If"):
            return self._kind_of_branches(node)
        return None

    def _kind_of_operand(self, node: Any) -> str | None:
        is_path = type(node).__name__ == "Column" and node.name.startswith(_PATH_NAME)
        return "text" if is_path else self._kind(node)

    def _kind_of_branches(self, node: Any) -> str | None:
        ifs = node.args.get("ifs")
        results = [each.args["true"] for each in ifs] if ifs else [node.args["true"]]
        results += [node.args[key] for key in ("default", "false") if node.args.get(key) is not None]
        kinds = {self._kind(result) for result in results if type(result).__name__ != "Null"}
        return kinds.pop() if len(kinds) == 1 else None


_KINDS = {
    **dict.fromkeys(_COMPARISONS | _LOGIC | {"Boolean", "Escape"}, "boolean"),
    **dict.fromkeys(("Mul", "Div", "IntDiv", "Mod", "StrPosition"), "number"),
    **dict.fromkeys(("DPipe", "Trim", "Substring"), "text"),
    **dict.fromkeys(("CurrentDate", "CurrentTimestamp"), "moment"),
    "Interval": "interval",
    "Array": "list",
}
_KIND_OF_CAST = {
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR"), "text"),
    **dict.fromkeys(("DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ"), "moment"),
    "BOOLEAN": "boolean",
}
_DETAILED = frozenset(
    ["Is", "In", "If", "Case", "Cast", "TryCast", "DataType", "Interval", "Bracket", "Literal"],
)


def _exp() -> Any:
    from sqlglot import exp

    return exp


def _operands(node: Any) -> Iterator[Any]:
    """Return the direct parts of an operator; of IN and BETWEEN, its value and its bounds, not the listed values."""
    for key in ("this", "expression", "low", "high"):
        operand = node.args.get(key)
        if operand is not None and not isinstance(operand, str):
            yield operand


def _with_usable_paths(tree: Any, known: Known, is_condition: bool) -> Any:
    """Say how the text at a JSON path is compared.

    A path that stands for true or false by itself is compared with TRUE. Numbers compared with a path are written as
    doubles: Spark casts the text to the type of the number, so that for an integer '95.7' > 95 would be false.
    """
    exp = _exp()
    paths = [column for column in tree.find_all(exp.Column) if known.get(column.name, _NO_PATH) is None]
    for path in paths:
        node = path
        while isinstance(node.parent, exp.Paren):
            node = node.parent
        parent = node.parent
        if (parent is None and is_condition) or type(parent).__name__ in _LOGIC:
            is_true = exp.Paren(this=exp.EQ(this=path.copy(), expression=exp.Boolean(this=True)))
            tree = is_true if path is tree else tree
            path.replace(is_true)
        elif type(parent).__name__ in _COMPARISONS:
            for number in [*_operands(parent), *parent.expressions]:
                _as_double(number)
    return tree


_NO_PATH = ColumnType("TEXT")


def _as_double(node: Any) -> None:
    exp = _exp()
    node = node.this if isinstance(node, exp.Neg) else node
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        node.set("this", f"{node.this}E0")
