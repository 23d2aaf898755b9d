"""SQL of mappings: what may be written, what it becomes, and what is refused and why."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbsdk.mapping.expressions import FUNCTIONS, ExpressionError, check_condition, check_expression, take_paths
from mlbsdk.mapping.types import ColumnType

KNOWN = {
    "a": ColumnType.parse("INT"),
    "b": ColumnType.parse("BOOLEAN"),
    "s": ColumnType.parse("TEXT"),
    "d": ColumnType.parse("DATE"),
    "start_speed": ColumnType.parse("NUMERIC(5,2)"),
    "Name": ColumnType.parse("TEXT"),
    "order": ColumnType.parse("INT"),
    "__path_0": None,
}


def sql(text: str) -> str:
    return check_expression(text, KNOWN).sql


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        # Columns
        ("start_speed + 1", "`start_speed` + 1"),
        ("NAME", "`Name`"),
        ("`Name`", "`Name`"),
        ("order > 1", "`order` > 1"),
        # Texts
        (r"'it\'s'", r"'it\'s'"),
        (r"'a\\'", r"'a\\'"),
        ("''", "''"),
        ('"double"', "'double'"),
        ("'é 😀'", "'é 😀'"),
        (r"'a\nb'", r"'a\nb'"),
        ("'--'", "'--'"),
        ("'/*'", "'/*'"),
        ("';'", "';'"),
        ("'$.a'", "'$.a'"),
        ("s LIKE '100%'", "`s` LIKE '100%'"),
        (r"s LIKE 'a\_b'", r"`s` LIKE 'a\\_b'"),
        ("s LIKE 'a!%' ESCAPE '!'", "`s` LIKE 'a!%' ESCAPE '!'"),
        (r"s RLIKE '\\d+'", r"`s` RLIKE '\\d+'"),
        (r"s REGEXP '\\d'", r"`s` RLIKE '\\d'"),
        (r"regexp_extract(s, '^(\\d+)', 1)", r"regexp_extract(`s`, '^(\\d+)', 1)"),
        ("s ILIKE 'x'", "`s` ILIKE 'x'"),
        ("s || 'x' || a", "`s` || 'x' || `a`"),
        # Numbers
        ("-1", "-1"),
        ("-a", "-`a`"),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("a % 3", "`a` % 3"),
        ("a DIV 2", "`a` DIV 2"),
        ("a / 2 * 3 - 1", "`a` / 2 * 3 - 1"),
        ("(a + 1) * 2", "(`a` + 1) * 2"),
        # Dates
        ("d >= DATE '2024-01-31'", "`d` >= CAST('2024-01-31' AS DATE)"),
        ("d + INTERVAL 1 DAY", "`d` + INTERVAL '1' DAY"),
        ("d - INTERVAL '3' MONTH", "`d` - INTERVAL '3' MONTH"),
        ("d + INTERVAL 90 MINUTES", "`d` + INTERVAL '90' MINUTES"),
        ("current_timestamp", "CURRENT_TIMESTAMP()"),
        ("current_timestamp()", "current_timestamp()"),
        ("to_timestamp(s, 'yyyyMMdd_HHmmss')", "to_timestamp(`s`, 'yyyyMMdd_HHmmss')"),
        ("date_format(d, \"yyyy-MM-dd'T'HH\")", r"date_format(`d`, 'yyyy-MM-dd\'T\'HH')"),
        # Comparisons
        ("a != 1", "`a` <> 1"),
        ("a == 1", "`a` = 1"),
        ("a <=> 1", "`a` IS NOT DISTINCT FROM 1"),
        ("a IS NOT DISTINCT FROM 1", "`a` IS NOT DISTINCT FROM 1"),
        ("a IS DISTINCT FROM 1", "`a` IS DISTINCT FROM 1"),
        ("a BETWEEN 1 AND 2", "`a` BETWEEN 1 AND 2"),
        ("a NOT BETWEEN 1 AND 2", "NOT `a` BETWEEN 1 AND 2"),
        ("s IN ('x', 'y')", "`s` IN ('x', 'y')"),
        ("s NOT IN ('x')", "NOT `s` IN ('x')"),
        ("s IS NULL", "`s` IS NULL"),
        ("s IS NOT NULL", "NOT `s` IS NULL"),
        ("b IS NOT TRUE", "NOT `b` IS TRUE"),
        ("!b", "NOT `b`"),
        ("b AND (NOT b OR a = 1)", "`b` AND (NOT `b` OR `a` = 1)"),
        ("(a = 1) = b", "(`a` = 1) = `b`"),
        ("a = 1 IS NULL", "(`a` = 1) IS NULL"),
        ("a <=> 1 = b", "(`a` IS NOT DISTINCT FROM 1) = `b`"),
        # Cases and casts
        ("CASE WHEN b THEN 'x' ELSE 'y' END", "CASE WHEN `b` THEN 'x' ELSE 'y' END"),
        ("CASE a WHEN 1 THEN 'x' END", "CASE `a` WHEN 1 THEN 'x' END"),
        ("if(b, 1, 2)", "IF(`b`, 1, 2)"),
        ("CAST(a AS STRING)", "CAST(`a` AS STRING)"),
        ("CAST(s AS DECIMAL(5,2))", "CAST(`s` AS DECIMAL(5, 2))"),
        ("CAST(s AS TIMESTAMP_NTZ)", "CAST(`s` AS TIMESTAMP_NTZ)"),
        ("try_cast(s AS INT)", "TRY_CAST(`s` AS INT)"),
        # Functions keep their names and arguments
        ("log10(a)", "log10(`a`)"),
        ("date_sub(d, a + 1)", "date_sub(`d`, `a` + 1)"),
        ("NVL(a, 1)", "NVL(`a`, 1)"),
        ("instr(s, 'x')", "instr(`s`, 'x')"),
        ("position('x' IN s)", "LOCATE('x', `s`)"),
        ("trim(BOTH 'x' FROM s)", "TRIM(BOTH 'x' FROM `s`)"),
        ("substring(s FROM 2 FOR 3)", "SUBSTRING(`s`, 2, 3)"),
        ("array(1, 2)[0]", "ARRAY(1, 2)[0]"),
        ("element_at(split(s, ','), -1)", "element_at(split(`s`, ','), -1)"),
        ("get_json_object(s, '$.a')", "get_json_object(`s`, '$.a')"),
    ],
)
def test_an_expression_becomes_spark_sql_with_quoted_columns(text: str, becomes: str) -> None:
    assert sql(text) == becomes
    assert sql(becomes) == becomes


def test_the_columns_that_an_expression_reads() -> None:
    assert set(check_expression("coalesce(NAME, s, 'a') || `order`", KNOWN).columns) == {"Name", "s", "order"}
    assert check_expression("'a'", KNOWN).columns == ()


@pytest.mark.parametrize(
    "text",
    [
        "java_method('java.lang.System', 'getenv')",
        "JAVA_METHOD('x', 'y')",
        "Java_Method ('x', 'y')",
        "reflect('x', 'y')",
        "try_reflect('x', 'y')",
        "input_file_name()",
        "current_user()",
        "user()",
        "session_user()",
        "version()",
        "current_database()",
        "current_catalog()",
        "spark_partition_id()",
        "monotonically_increasing_id()",
        "assert_true(b)",
        "raise_error('x')",
        "rand()",
        "uuid()",
        "sum(a)",
        "max(a)",
        "count(a)",
        "bool_and(b)",
        "first(a)",
        "collect_list(a)",
        "explode(array(1))",
        "from_json(s, 'x INT')",
        "aes_decrypt(s, 'x')",
        "map('a', 1)",
        "transform(array(1), x -> x)",
        "my_function(a)",
        "coalesce(a, java_method('x', 'y'))",
        "CASE WHEN b THEN reflect('x') END",
        "a IN (1, java_method('x'))",
    ],
)
def test_functions_off_the_list_are_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="not on the list of functions"):
        check_expression(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be one expression"),
        ("   ", "must be one expression"),
        ("a +", "is not a SQL expression"),
        ("((a)", "is not a SQL expression: Expecting )"),
        ("a b c", "is not a SQL expression"),
        ("start_sped > 1", "no column 'start_sped'. Did you mean 'start_speed'?"),
        ("uppr(s)", "function 'uppr' is not on the list of functions that a mapping may call. Did you mean 'upper'?"),
        ("a.b", "write columns without a table, not 'a.b'"),
        ("e.plays.a", "without a table"),
        ("a.*", "without a table"),
        ("*", "holds '*'"),
        ("java.lang.System.getenv('x')", "a name with a dot"),
        ("default.upper(s)", "a name with a dot"),
        # Statements, queries
        ("a;", "without ';'"),
        ("a; DROP TABLE x", "without ';'"),
        ("SELECT 1", "holds a query"),
        ("(SELECT 1)", "holds a subquery"),
        ("EXISTS (SELECT 1)", "holds a subquery"),
        ("a IN (SELECT 1)", "an IN without a list"),
        ("1 UNION SELECT 2", "holds union"),
        ("DROP TABLE x", "holds drop"),
        ("SET x = 1", "holds set"),
        ("VALUES (1)", "holds values"),
        ("row_number() OVER (ORDER BY a)", "a window function"),
        ("sum(a) OVER ()", "a window function"),
        ("a AS x", "an alias"),
        ("a DESC", "an alias"),
        ("x -> x + 1", "holds '->'"),
        # Comments
        ("a -- b", "holds a comment"),
        ("a /* b */", "holds a comment"),
        ("/*+ BROADCAST(a) */ a", "holds a comment"),
        # Variables
        ("'${spark.x}'", "holds '${'"),
        ("'${env:AWS_SECRET_ACCESS_KEY}'", "holds '${'"),
        ("${env:HOME}", "holds a parameter"),
        (":p", "holds a placeholder"),
        ("?", "holds a placeholder"),
        ("{{ jinja }}", "holds a placeholder"),
        ("@x", "holds a parameter"),
        ("current_user", "the session's user"),
        # Names in quotes
        ("`java_method`('x', 'y')", "quotes the name of the function 'java_method'"),
        ("`a``b`", "no column 'a`b'"),
        ("`a` OR `1=1", "has a ` that is not closed"),
        ("`a`.`b`", "without a table"),
        # Texts
        ("'a", "has a ' that is not closed"),
        ('"a', 'has a " that is not closed'),
        (r"s RLIKE '\d+'", r"write \\d for both"),
        (r"'\u0024{env:HOME}'", r"write \\u for both"),
        (r"'\044'", r"write \\0 for both"),
        ("'it''s'", r"two texts side by side (for a quote within a text write \')"),
        ("'a' 'b'", "two texts side by side"),
        (r"r'\\d'", "an r'...' text"),
        ("X'1F'", "holds hex string"),
        # Other letters that look alike
        ("ａ = 1", "no column 'ａ'"),
        ("а = 1", "no column 'а'"),  # a Cyrillic letter
        # What Spark would group otherwise
        ("a = 1 = b", "compares a comparison"),
        ("a NOT IN (1) = b", "compares a comparison"),
        ("a + (1 = 2 = b)", "compares a comparison"),
        # What only fails in the run
        ("a IN ()", "an IN without a list"),
        ("a IS 5", "an IS that is not followed by NULL, TRUE or FALSE"),
        ("abs()", "abs() takes 1 arguments, not 0"),
        ("abs(a, a)", "abs() takes 1 arguments, not 2"),
        ("concat()", "concat() takes 1 or more arguments"),
        ("lpad(s)", "lpad() takes 2 to 3 arguments"),
        ("if(b, 1)", "if() takes 3 arguments"),
        ("s[0]", "'s' holds one value"),
        ("DATE '2024-02-30'", "'2024-02-30', which is not a date"),
        ("CAST('today' AS DATE)", "'today', which is not a date"),
        ("INTERVAL a DAY", "an INTERVAL that is not a number and a unit"),
        ("CAST(a AS ARRAY<INT>)", "casts to ARRAY<INT>"),
        ("CAST(a AS BINARY)", "casts to BINARY"),
        ("(a, b)", "several values in parentheses"),
        ("a & 1", "holds bitwise and"),
        ("1" * 39, "a number of more than 38 digits"),
        ("a" * 10_001, "has 10001 characters; an expression has at most 10000"),
    ],
)
def test_what_is_refused_and_why(text: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(said)):
        check_expression(text, KNOWN)


@pytest.mark.parametrize(
    "text", ["(" * 4000 + "a" + ")" * 4000, "NOT " * 2000 + "b", "- " * 3000 + "a", "abs(" * 1500 + "a" + ")" * 1500]
)
def test_deep_nesting_is_a_clear_error(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"\.\.\.' is nested too deeply"):
        check_expression(text, KNOWN)


def test_a_long_expression_is_cut_in_its_message() -> None:
    with pytest.raises(ExpressionError) as found:
        check_expression("unknown + " * 500 + "1", KNOWN)
    assert len(str(found.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "b",
        "NOT b",
        "a = 1",
        "(a = 1)",
        "a IS NULL AND s LIKE 'x'",
        "startswith(s, 'x')",
        "coalesce(b, FALSE)",
        "CASE WHEN b THEN TRUE END",
        "if(b, a = 1, FALSE)",
        "CAST(s AS BOOLEAN)",
        "boolean(s)",
        "TRUE",
        "NULL",
        "s LIKE 'x!' ESCAPE '!'",
    ],
)
def test_a_condition_may_be_anything_true_or_false(text: str) -> None:
    assert check_condition(text, KNOWN).sql


@pytest.mark.parametrize(
    "text",
    [
        "start_speed + 1",
        "start_speed",
        "-a",
        "s",
        "'x'",
        "1",
        "s || 'x'",
        "upper(s)",
        "trim(s)",
        "CAST(b AS INT)",
        "current_date",
        "NOT a",
        "b AND s",
        "a OR b",
        "CASE WHEN a THEN TRUE END",
        "if(s, TRUE, FALSE)",
        "(a)",
    ],
)
def test_what_is_plainly_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"must be true or false.*: compare it with something"):
        check_condition(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "taken", "paths"),
    [
        ("$.isPitch = true", "__path_0 = true", {"__path_0": "$.isPitch"}),
        ("$.a.b[0].c > $.a.b[0].c", "__path_0 > __path_0", {"__path_0": "$.a.b[0].c"}),
        ("$ = 1", "__path_0 = 1", {"__path_0": "$"}),
        ("parent.x = root.y", "__path_0 = __path_1", {"__path_0": "parent.x", "__path_1": "root.y"}),
        ("parent.parent.x = 1", "__path_0 = 1", {"__path_0": "parent.parent.x"}),
        ("previous.x IS NULL", "__path_0 IS NULL", {"__path_0": "previous.x"}),
        ("$['a b'] = $[\"c'd\"]", "__path_0 = __path_1", {"__path_0": "$['a b']", "__path_1": '$["c\'d"]'}),
        ("root['x'] = 1", "__path_0 = 1", {"__path_0": "root['x']"}),
        (r"s = '$.a' AND s = 'it\'s $.b'", r"s = '$.a' AND s = 'it\'s $.b'", {}),
        ('s = "parent.x" AND `root` = 1', 's = "parent.x" AND `root` = 1', {}),
        ("parent = 1", "parent = 1", {}),
        ("grandparent.x = 1", "grandparent.x = 1", {}),
        ("'${x}' = ${x}", "'${x}' = ${x}", {}),
    ],
)
def test_paths_of_a_filter_get_names_that_no_column_can_have(text: str, taken: str, paths: dict[str, str]) -> None:
    assert take_paths(text) == (taken, tuple(paths.items()))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("__path_0", "(`__path_0` = TRUE)"),
        ("NOT __path_0", "NOT (`__path_0` = TRUE)"),
        ("__path_0 OR b", "(`__path_0` = TRUE) OR `b`"),
        ("__path_0 = TRUE", "`__path_0` = TRUE"),
        # Spark would cast the text to INT: '95.7' > 95 were false.
        ("__path_0 > 95", "`__path_0` > 95E0"),
        ("95 < __path_0", "95E0 < `__path_0`"),
        ("__path_0 BETWEEN -1 AND 2", "`__path_0` BETWEEN -1E0 AND 2E0"),
        ("__path_0 IN (1, 'x')", "`__path_0` IN (1E0, 'x')"),
        ("__path_0 = 'x'", "`__path_0` = 'x'"),
        ("__path_0 IS NOT NULL", "NOT `__path_0` IS NULL"),
        ("a > 95", "`a` > 95"),
    ],
)
def test_how_the_text_at_a_path_is_compared(text: str, becomes: str) -> None:
    assert check_condition(text, KNOWN).sql == becomes


def test_messages_quote_a_filter_as_its_author_wrote_it() -> None:
    taken, _ = take_paths("$.x = tru")
    with pytest.raises(ExpressionError, match=re.escape("'$.x = tru': no column 'tru'")):
        check_condition(taken, KNOWN, "$.x = tru")


def test_no_aggregate_and_nothing_that_reads_the_session_is_on_the_list() -> None:
    assert not FUNCTIONS & {
        *("sum", "avg", "min", "max", "count", "first", "last", "any_value", "bool_and", "bool_or", "every", "some"),
        *(
            "java_method",
            "reflect",
            "try_reflect",
            "input_file_name",
            "current_user",
            "user",
            "version",
            "uuid",
            "rand",
        ),
        *("current_catalog", "current_database", "spark_partition_id", "raise_error", "assert_true", "transform"),
        *("explode", "stack", "inline", "from_json", "xpath", "aes_decrypt", "read_files", "exists", "aggregate"),
    }


CALLED = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)\s*\(")
WORDS_OF_SQL = {
    "in",
    "and",
    "or",
    "not",
    "when",
    "then",
    "else",
    "between",
    "is",
    "like",
    "cast",
    "try_cast",
    "decimal",
}
PARTS = st.sampled_from(
    [
        *(
            "a",
            "s",
            "b",
            "'x'",
            "1",
            "2.5",
            "NULL",
            "TRUE",
            "upper(",
            "coalesce(",
            "java_method(",
            "sum(",
            "(",
            ")",
            ",",
        ),
        *(
            "reflect(",
            "+",
            "-",
            "=",
            "AND",
            "OR",
            "NOT",
            "IN",
            "IS",
            "NULL",
            "CASE WHEN",
            "THEN",
            "END",
            "SELECT",
            "FROM",
        ),
        *(
            "`java_method`(",
            "`a`",
            "OVER",
            "->",
            ".",
            ";",
            "--",
            "/*",
            "*/",
            "'",
            '"',
            "`",
            "\\",
            "${env:HOME}",
            "::INT",
        ),
        *(
            "DATE '2024-01-01'",
            "CAST(",
            "AS INT)",
            "LIKE",
            "%",
            "||",
            "<=>",
            "!",
            "[0]",
            "{{",
            "}}",
            ":p",
            "@",
            "\n",
            "é",
        ),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PARTS, max_size=12).map(" ".join) | st.text(max_size=40))
def test_what_passes_calls_listed_functions_alone_and_stays_as_it_is(text: str) -> None:
    try:
        found = check_expression(text, KNOWN)
    except ExpressionError:
        return
    without_texts = re.sub(r"'(?:[^'\\]|\\.)*'|`[^`]*`", "", found.sql)
    called = {name.lower() for name in CALLED.findall(without_texts)} - WORDS_OF_SQL
    assert called <= FUNCTIONS
    assert set(found.columns) <= KNOWN.keys()
    assert "--" not in without_texts
    assert "/*" not in without_texts
    assert "${" not in found.sql
    assert check_expression(found.sql, KNOWN) == found
