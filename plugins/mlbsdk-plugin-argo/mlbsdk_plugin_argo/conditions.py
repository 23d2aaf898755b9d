"""The small languages of workflows: ``depends``, ``when`` and the expression of a retry.

Each is read into a tree of :class:`Term`; what is beyond comparisons, ``not``, ``and`` and ``or`` is refused, so that
nothing is taken for something else than Argo takes it for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_TOKENS = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<operator>&&|\|\||==|!=|<=|>=|[<>!()\[\],])"
    r"|(?P<word>[^\s'\"&|=<>!()\[\],]+))"
)
_COMPARED: dict[str, Callable[[float | str, float | str], bool]] = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,  # type: ignore[operator]
    "<=": lambda one, other: one <= other,  # type: ignore[operator]
    ">": lambda one, other: one > other,  # type: ignore[operator]
    ">=": lambda one, other: one >= other,  # type: ignore[operator]
}
#: What a task's end is called in ``depends``.
RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned")


class ConditionError(ValueError):
    """A condition can't be read, or is of a kind that is not understood here."""


@dataclass(frozen=True)
class Term:
    """A node of a condition: ``and``, ``or``, ``not`` with terms below, ``atom`` with its words."""

    kind: str
    terms: tuple[Term, ...] = ()
    words: tuple[str, ...] = ()

    def atoms(self) -> list[tuple[str, ...]]:
        """Return the words of all atoms."""
        return [self.words] if self.kind == "atom" else [one for term in self.terms for one in term.atoms()]

    def holds(self, atom: Callable[[tuple[str, ...]], bool]) -> bool:
        """Whether the condition holds, where ``atom`` says it of each atom."""
        if self.kind == "and":
            return all(term.holds(atom) for term in self.terms)
        if self.kind == "or":
            return any(term.holds(atom) for term in self.terms)
        if self.kind == "not":
            return not self.terms[0].holds(atom)
        return atom(self.words)


def parse_depends(text: str) -> Term:
    """Return the condition of ``depends``; each atom is (task,) or (task, result).

    Raises:
        ConditionError: it can't be read, or asks for a result that there is not.
    """

    def atom(words: Sequence[str]) -> tuple[str, ...]:
        if len(words) != 1:
            raise ConditionError(f"'{' '.join(words)}' is no task")
        task, dot, result = words[0].partition(".")
        if dot and result not in RESULTS:
            raise ConditionError(f"'{result}' is no result of a task: there are {', '.join(RESULTS)}")
        return (task, result) if dot else (task,)

    return _Parser(text, atom).parse()


def parse_when(text: str) -> Term:
    """Return the condition of ``when``, its variables filled in; each atom is (left, operator, right) or (word,).

    Raises:
        ConditionError: it can't be read, or is more than comparisons joined by ``&&``, ``||`` and ``!``.
    """

    def atom(words: Sequence[str]) -> tuple[str, ...]:
        if len(words) == 1 and words[0] in ("true", "false"):
            return (words[0],)
        if len(words) != 3 or words[1] not in _COMPARED:
            raise ConditionError(f"'{' '.join(words)}' is no comparison of two values")
        return tuple(words)

    return _Parser(text, atom).parse()


def when_holds(text: str) -> bool:
    """Whether a condition of ``when`` holds; its variables are filled in."""

    def holds(words: tuple[str, ...]) -> bool:
        if len(words) == 1:
            return words[0] == "true"
        left, right = _bare(words[0]), _bare(words[2])
        numbers = _number(left), _number(right)
        if numbers[0] is not None and numbers[1] is not None:
            return _COMPARED[words[1]](numbers[0], numbers[1])
        return _COMPARED[words[1]](left, right)

    return parse_when(text).holds(holds)


_CALL = re.compile(
    r"(?P<conversion>asInt|asFloat)\(\s*(?P<converted>[A-Za-z.]+)\s*\)|(?P<name>[A-Za-z][A-Za-z.]*)", re.DOTALL
)
_RETRY = re.compile(
    r"^(?P<value>(?:asInt|asFloat)\(\s*[A-Za-z.]+\s*\)|[A-Za-z][A-Za-z.]*)\s*"
    r"(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<other>-?[0-9.]+|'[^']*'|\"[^\"]*\")"
    r"|(?P<member>not\s+in|in)\s*\[(?P<list>[^\]]*)\])$"
)
#: What an expression of a retry may ask for.
RETRY_NAMES = ("lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message")


def retry_holds(text: str, values: Mapping[str, str]) -> bool:
    """Whether the expression of a retry holds; ``values`` has the :data:`RETRY_NAMES`.

    Raises:
        ConditionError: it is more than comparisons of these values joined by ``&&`` and ``||``.
    """
    return any(
        all(_retry_atom(part.strip(), values) for part in alternative.split("&&")) for alternative in text.split("||")
    )


def check_retry(text: str) -> None:
    """Raise ConditionError where the expression of a retry can't be understood."""
    for part in re.split(r"&&|\|\|", text):
        _retry_atom(part.strip(), dict.fromkeys(RETRY_NAMES, "0"))


def _retry_atom(text: str, values: Mapping[str, str]) -> bool:
    found = _RETRY.match(text)
    if found is None:
        raise ConditionError(f"'{text}' is no comparison such as asInt(lastRetry.exitCode) not in [2, 3]")
    value = _retry_value(found["value"], values)
    if found["operator"]:
        return _COMPARED[found["operator"]](value, _literal(found["other"], value))
    listed = [_literal(one.strip(), value) for one in found["list"].split(",") if one.strip()]
    return (value in listed) is (found["member"] == "in")


def _retry_value(text: str, values: Mapping[str, str]) -> float | str:
    found = _CALL.fullmatch(text)
    name = (found["converted"] or found["name"]) if found else text
    if found is None or name not in values:
        raise ConditionError(f"'{text}' is none of {', '.join(RETRY_NAMES)}")
    if found["conversion"] is None:
        return values[name]
    number = _number(values[name])
    if number is None:
        raise ConditionError(f"{name} is '{values[name]}', no number")
    return number


def _literal(text: str, like: float | str) -> float | str:
    if text[:1] in "'\"":
        return text[1:-1]
    number = _number(text)
    if number is None or isinstance(like, str):
        raise ConditionError(f"'{text}' can't be compared: put text in quotes, and numbers beside asInt(...)")
    return number


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None


def _bare(text: str) -> str:
    return text[1:-1] if text[:1] in "'\"" else text


class _Parser:
    """Reads ``or`` of ``and`` of ``not`` of atoms; ``atom`` makes an atom of the words between the operators."""

    def __init__(self, text: str, atom: Callable[[Sequence[str]], tuple[str, ...]]) -> None:
        self._text, self._atom = text, atom
        self._tokens: list[tuple[str, str]] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            found = _TOKENS.match(stripped, position)
            if found is None:
                raise ConditionError(f"'{text}' can't be read from '{stripped[position:][:20]}' on")
            self._tokens.append((found.lastgroup or "", found.group(found.lastgroup or 0)))
            position = found.end()
        self._next = 0

    def parse(self) -> Term:
        term = self._joined("or", "||", lambda: self._joined("and", "&&", self._single))
        if self._next < len(self._tokens):
            raise ConditionError(f"'{self._text}' can't be read from '{self._tokens[self._next][1]}' on")
        return term

    def _joined(self, kind: str, operator: str, part: Callable[[], Term]) -> Term:
        terms = [part()]
        while self._take(operator):
            terms.append(part())
        return terms[0] if len(terms) == 1 else Term(kind, tuple(terms))

    def _single(self) -> Term:
        if self._take("!"):
            return Term("not", (self._single(),))
        if self._take("("):
            inner = self._joined("or", "||", lambda: self._joined("and", "&&", self._single))
            if not self._take(")"):
                raise ConditionError(f"'{self._text}' lacks a ')'")
            return inner
        words = []
        while self._next < len(self._tokens):
            kind, text = self._tokens[self._next]
            if kind == "operator" and text not in _COMPARED:
                break
            words.append(text)
            self._next += 1
        if not words:
            raise ConditionError(f"'{self._text}' lacks a condition")
        return Term("atom", words=self._atom(words))

    def _take(self, operator: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next] == ("operator", operator):
            self._next += 1
            return True
        return False
