"""The one place that finds endpoint, region and credentials; pyarrow, delta-rs and Hadoop are all told from here."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

from mlbsdk.plugin import ConfigurationError, StorageError
from mlbsdk_plugin_s3.failures import no_credentials, told
from mlbsdk_plugin_s3.settings import S3Settings

#: Of a request that only asks whether all is well, and of any other.
_QUICK = {"connect_timeout": 3, "read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 2}}
_PATIENT = {"connect_timeout": 5, "read_timeout": 60, "retries": {"mode": "standard", "total_max_attempts": 4}}
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
#: Where botocore found credentials -> the class with which Java finds the same, renewed, by itself.
_RENEWED_BY_JAVA = {
    "assume-role-with-web-identity": "com.amazonaws.auth.WebIdentityTokenCredentialsProvider",
    "iam-role": "org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider",
    "container-role": "org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider",
}


@dataclass(frozen=True)
class Credentials:
    """Credentials as they are now."""

    access_key: str
    secret_key: str
    session_token: str | None
    java_provider: str | None
    """The class with which Java finds the same by itself; None where it must be given them."""

    def __repr__(self) -> str:
        return "Credentials(...)"


class Connection:
    """How one bucket is reached.

    Args:
        path: any path in the bucket.
        settings: what the user set.

    Raises:
        ConfigurationError: the path has no bucket, the profile is unknown, or the endpoint is not allowed.
    """

    def __init__(self, path: str, settings: S3Settings) -> None:
        self.bucket = urlsplit(path).netloc
        if not self.bucket or "@" in self.bucket or ":" in self.bucket:
            raise ConfigurationError(f"'{path}' names no bucket", fix="Write s3a://BUCKET/PATH, without user or port.")
        self.settings = settings
        try:
            self._session = botocore.session.Session(profile=settings.profile)
            self._session.get_scoped_config()
        except ProfileNotFound as problem:
            raise ConfigurationError(
                f"{problem}", fix="Name another one: storage.profile in mlbsdk.yaml, or AWS_PROFILE."
            ) from problem
        self._refuse_plain_http()

    @cached_property
    def quick(self) -> Any:
        """A client that gives up within seconds."""
        return self._client(_QUICK)

    @cached_property
    def client(self) -> Any:
        """A client that waits for what takes time, and tries again."""
        return self._client(_PATIENT)

    @cached_property
    def endpoint(self) -> str | None:
        """The URL of the store; None for Amazon's own."""
        with self.failures("endpoint"):
            found = self.settings.endpoint or str(self._bare_client().meta.endpoint_url)
        host = urlsplit(found).hostname or ""
        return None if host.endswith(_AMAZON) else found.rstrip("/")

    @property
    def is_http(self) -> bool:
        """Whether requests are not encrypted."""
        return (self.endpoint or "").startswith("http://")

    @property
    def path_style(self) -> bool:
        """Whether the bucket is in the path of a URL."""
        return self.endpoint is not None if self.settings.path_style is None else self.settings.path_style

    @cached_property
    def region(self) -> str:
        """The region that requests are signed for."""
        found = self.settings.region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        if found or self.endpoint is not None:
            return str(found or "us-east-1")
        with self.failures("HeadBucket"):
            try:
                answer = self.quick.head_bucket(Bucket=self.bucket)
            except ClientError as problem:  # also a refusal tells the region
                answer = problem.response
                if "x-amz-bucket-region" not in answer["ResponseMetadata"]["HTTPHeaders"]:
                    raise
        return str(answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"])

    def credentials(self) -> Credentials:
        """Return the credentials as they are now; those that end are renewed in time.

        Raises:
            StorageError: there are none.
        """
        try:
            found = self._session.get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except (BotoCoreError, OSError) as problem:
            # Its text may be what a program of the user's printed.
            raise no_credentials(self.bucket, type(problem).__name__) from problem
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            raise no_credentials(self.bucket)
        java = _RENEWED_BY_JAVA.get(found.method or "")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or None, java)

    @contextmanager
    def failures(self, doing: str) -> Iterator[None]:
        """Tell what goes wrong inside in a sentence.

        Raises:
            StorageError: a request failed.
        """
        try:
            yield
        except (BotoCoreError, ClientError) as problem:
            raise told(problem, self.bucket, self.settings.endpoint or self._known_endpoint(), doing) from problem

    def _known_endpoint(self) -> str | None:
        return self.__dict__.get("endpoint")

    def _client(self, patience: Mapping[str, Any]) -> Any:
        self.credentials()
        style = {"addressing_style": "path" if self.path_style else "auto"}
        # Not every store knows the checksums that Amazon's accepts.
        checksums = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
        region = self.settings.region or os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        with self.failures("connect"):
            return self._session.create_client(
                "s3",
                endpoint_url=self.endpoint,
                region_name=region or "us-east-1",
                config=Config(s3=style, **checksums, **patience),
            )

    def _bare_client(self) -> Any:
        return self._session.create_client("s3", region_name=self.settings.region or "us-east-1")

    def _refuse_plain_http(self) -> None:
        endpoint = self.endpoint
        if endpoint is None:
            return
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"the endpoint '{endpoint}' is no URL", fix="Write it as https://HOST:PORT.")
        allowed = self.settings.allow_http or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
        if parts.scheme == "http" and not allowed and not _is_loopback(parts.hostname):
            raise ConfigurationError(
                f"the endpoint '{endpoint}' is not encrypted: keys and data could be read on their way",
                fix="Use https, or allow it: storage.allow_http in mlbsdk.yaml, or AWS_ALLOW_HTTP=true.",
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def store_failure(problem: Exception, bucket: str, doing: str) -> StorageError:
    """Return the error for what pyarrow says of a request; its text holds no key."""
    return StorageError(f"{doing} failed in the bucket '{bucket}': {str(problem).splitlines()[0]}", fix="Run it again.")
