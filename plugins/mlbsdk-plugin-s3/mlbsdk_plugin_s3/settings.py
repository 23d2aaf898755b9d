"""What stands under ``storage:`` in mlbsdk.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from mlbsdk.plugin import ConfigurationError, did_you_mean


class S3Settings(BaseModel):
    """Where buckets are. What is not set comes from where AWS's own tools take it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = None
    """Such as ``http://127.0.0.1:9000``; else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's ``endpoint_url``."""
    region: str | None = None
    """Else AWS_REGION, AWS_DEFAULT_REGION, ``region`` of the profile, or the bucket's own."""
    profile: str | None = None
    """Of the shared configuration and credentials files; else AWS_PROFILE."""
    path_style: bool | None = None
    """Whether the bucket is in the path, not in the host's name; by default so where the endpoint is not Amazon's."""
    allow_http: bool = False
    """Whether an endpoint that is not on this machine may be plain HTTP; else AWS_ALLOW_HTTP."""

    @classmethod
    def of(cls, given: Mapping[str, object]) -> S3Settings:
        """Check the settings that were given.

        Raises:
            ConfigurationError: an unknown name, or a value that it can't have.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as problem:
            first = problem.errors(include_input=False, include_url=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            unknown = first["type"] == "extra_forbidden"
            what = f"is no setting of s3a.{did_you_mean(name, cls.model_fields)}" if unknown else first["msg"]
            raise ConfigurationError(f"setting 'storage.{name}': {what}") from problem
