"""SQL that a mapping holds: parsed, checked against an allow-list, and written again with quoted identifiers.

A mapping may not run code or read the session: one scalar expression over known columns, no subquery, no statement, and
only functions listed here. Spark's ``java_method`` and ``reflect`` would read the process's secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from mlbsdk.errors import did_you_mean

FUNCTIONS = frozenset(
    [
        "abs",
        "ceil",
        "ceiling",
        "floor",
        "round",
        "bround",
        "sign",
        "sqrt",
        "pow",
        "power",
        "exp",
        "ln",
        "log",
        "log10",
        "log2",
        "mod",
        "pmod",
        "greatest",
        "least",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "atan2",
        "radians",
        "degrees",
        "isnan",
        "nanvl",
        "coalesce",
        "nullif",
        "nvl",
        "nvl2",
        "ifnull",
        "if",
        "isnull",
        "isnotnull",
        "case",
        "concat",
        "concat_ws",
        "lower",
        "upper",
        "lcase",
        "ucase",
        "trim",
        "ltrim",
        "rtrim",
        "btrim",
        "length",
        "char_length",
        "character_length",
        "substring",
        "substr",
        "left",
        "right",
        "lpad",
        "rpad",
        "replace",
        "translate",
        "instr",
        "locate",
        "position",
        "startswith",
        "endswith",
        "contains",
        "split",
        "split_part",
        "regexp_extract",
        "regexp_replace",
        "regexp_like",
        "rlike",
        "like",
        "ilike",
        "initcap",
        "reverse",
        "repeat",
        "cast",
        "try_cast",
        "to_date",
        "to_timestamp",
        "date",
        "year",
        "quarter",
        "month",
        "day",
        "dayofmonth",
        "dayofweek",
        "dayofyear",
        "weekofyear",
        "hour",
        "minute",
        "second",
        "date_add",
        "date_sub",
        "datediff",
        "months_between",
        "add_months",
        "last_day",
        "date_trunc",
        "trunc",
        "date_format",
        "unix_timestamp",
        "from_unixtime",
        "to_utc_timestamp",
        "from_utc_timestamp",
        "make_date",
        "make_timestamp",
        "current_timestamp",
        "current_date",
        "array",
        "array_contains",
        "size",
        "element_at",
        "get_json_object",
        "json_array_length",
        "try_divide",
        "try_add",
        "try_subtract",
        "try_multiply",
        "bool_and",
        "bool_or",
        "and",
        "or",
        "not",
        "sha2",
        "md5",
        "xxhash64",
        "hash",
    ]
)

_FORBIDDEN_WORDS = {
    "Subquery": "a subquery",
    "Select": "a query",
    "Window": "a window function",
    "Lambda": "a lambda",
    "Star": "'*'",
    "Parameter": "a parameter",
    "SessionParameter": "a session variable",
    "Placeholder": "a placeholder",
}
_STRUCTURE = frozenset(
    [
        "Column",
        "Identifier",
        "Literal",
        "Null",
        "Boolean",
        "Paren",
        "Case",
        "If",
        "Cast",
        "TryCast",
        "DataType",
        "DataTypeParam",
        "In",
        "Between",
        "Interval",
        "Var",
        "Tuple",
        "Neg",
        "Not",
        "And",
        "Or",
        "Xor",
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
        "RegexpILike",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "IntDiv",
        "Mod",
        "DPipe",
        "Bracket",
        "Escape",
        "SafeDivide",
        "Concat",
    ]
)
_PATH = re.compile(
    r"""(?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`[^`]*`)|"""
    r"""(?P<path>(?:\$|(?<![\w.`])(?:parent(?:\.parent)*|root|previous)(?=\.))(?:\.[A-Za-z_]\w*|\[\d+\]|\['[^']+'\])+|\$(?![\w]))"""
)


class ExpressionError(ValueError):
    """An expression is not allowed, or not understood."""


@dataclass(frozen=True)
class Checked:
    """An expression that passed: Spark SQL with quoted identifiers, and the columns that it reads."""

    sql: str
    columns: tuple[str, ...]


def check_expression(text: str, known: Collection[str]) -> Checked:
    """Check one scalar Spark SQL expression over the ``known`` columns.

    Raises:
        ExpressionError: it does not parse, names an unknown column, or uses something that a mapping may not.
    """
    import sqlglot
    from sqlglot import exp

    try:
        parsed = sqlglot.parse(text, read="spark")
    except sqlglot.errors.SqlglotError as problem:
        reason = re.sub(r"\x1b\[\d*m", "", str(problem)).splitlines()[0]
        raise ExpressionError(f"'{text}' is not a SQL expression: {reason}") from problem
    if len(parsed) != 1 or parsed[0] is None:
        raise ExpressionError(f"'{text}' must be one expression, without ';'")
    tree = parsed[0]
    columns: dict[str, None] = {}
    by_lower_case = {name.lower(): name for name in known}
    for node in tree.walk():
        kind = type(node).__name__
        if isinstance(node, exp.Column):
            columns[_column(node, by_lower_case, text)] = None
        elif isinstance(node, exp.Func) and kind not in _STRUCTURE:
            _check_function(node, text)
        elif kind not in _STRUCTURE:
            raise ExpressionError(f"'{text}' holds {_FORBIDDEN_WORDS.get(kind, kind)}, which a mapping may not use")
    return Checked(tree.sql(dialect="spark", identify=True, normalize_functions=False), tuple(columns))


def _column(node: object, by_lower_case: dict[str, str], text: str) -> str:
    from sqlglot import exp

    assert isinstance(node, exp.Column)
    if node.table:
        raise ExpressionError(f"'{text}': write columns without a table, not '{node.sql()}'")
    name = by_lower_case.get(node.name.lower())
    if name is None:
        raise ExpressionError(f"'{text}': no column '{node.name}'.{did_you_mean(node.name, by_lower_case.values())}")
    node.this.set("this", name)
    return name


def _check_function(node: object, text: str) -> None:
    from sqlglot import exp

    assert isinstance(node, exp.Func)
    names = [node.name] if isinstance(node, exp.Anonymous) else [*node.sql_names(), node.sql("spark").split("(")[0]]
    if not any(name.lower() in FUNCTIONS for name in names):
        name = names[-1].lower()
        raise ExpressionError(
            f"'{text}': function '{name}' is not on the list of functions that a mapping may call."
            f"{did_you_mean(name, FUNCTIONS)}"
        )


def take_paths(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Replace the item paths in a filter by names.

    Returns:
        The SQL, and (name, path) for each path: ``$.isPitch = true`` gives ``path_0 = true`` and ``("path_0",
        "$.isPitch")``.
    """
    names: dict[str, str] = {}

    def name_of(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match["text"]
        return names.setdefault(match["path"], f"path_{len(names)}")

    sql = _PATH.sub(name_of, text)
    return sql, tuple((name, path) for path, name in names.items())
