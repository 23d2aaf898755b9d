"""The transformation of persons."""

from __future__ import annotations

from mlbsdk.plugin import BaseTransformation


class PersonTransformation(BaseTransformation):
    """Cuts responses about persons (StatsAPI ``people?personIds=...``) into table ``person.person``.

    The mapping ``person/person.yaml`` says all that these responses need, so nothing is overridden here; the class is
    the name to subclass where persons need more than a mapping can say.
    """
