"""What goes wrong with an object store, each in one sentence that says what to do. No text has a key in it."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from mlbsdk.plugin import StorageError

_WHERE_FROM = "environment (AWS_ACCESS_KEY_ID, ...), ~/.aws files, web identity or instance role"
_WRONG_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException")
_ENDED = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired")
_DENIED = ("AccessDenied", "Forbidden", "403", "AllAccessDisabled")
_NO_BUCKET = ("NoSuchBucket",)
_ELSEWHERE = ("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")


def told(problem: BotoCoreError | ClientError, bucket: str, endpoint: str | None, doing: str) -> StorageError:
    """Return the error for a request that failed.

    Args:
        problem: what botocore raised.
        bucket: the bucket.
        endpoint: the store's URL; None for Amazon's own.
        doing: the operation, such as ``PutObject``.
    """
    store = f"the object store at {endpoint}" if endpoint else "S3"
    if isinstance(problem, ClientError):
        return _refused(str(problem.response.get("Error", {}).get("Code", "")), bucket, store, doing)
    if isinstance(problem, SSLError):
        return StorageError(
            f"{store} can't be trusted: its certificate is not accepted",
            fix="Name the authority in AWS_CA_BUNDLE, or correct the endpoint.",
        )
    if isinstance(problem, ConnectTimeoutError | ReadTimeoutError):
        return _unreachable(store, "it does not answer in time")
    if isinstance(problem, EndpointConnectionError | HTTPClientError):
        return _unreachable(store, "there is no connection")
    if isinstance(problem, ResponseParserError):
        return _unreachable(store, "what answers there does not speak S3")
    return StorageError(f"{doing} failed in the bucket '{bucket}': {type(problem).__name__}", fix="Run it again.")


def no_credentials(bucket: str, reason: str | None = None) -> StorageError:
    """Return the error for credentials that are not there, or can't be got."""
    why = f" ({reason})" if reason else ""
    return StorageError(f"there are no credentials for the bucket '{bucket}'{why}", fix=f"Give them by {_WHERE_FROM}.")


def _unreachable(store: str, why: str) -> StorageError:
    return StorageError(
        f"{store} can't be reached: {why}",
        fix="Check that it is up, and the endpoint: storage.endpoint in mlbsdk.yaml, or AWS_ENDPOINT_URL_S3.",
    )


def _refused(code: str, bucket: str, store: str, doing: str) -> StorageError:
    if code in _WRONG_KEYS:
        return StorageError(
            f"{store} does not accept the credentials ({code})", fix=f"Correct them where they are from: {_WHERE_FROM}."
        )
    if code in _ENDED:
        return StorageError(f"the credentials for {store} have ended ({code})", fix="Get new ones, and run it again.")
    if code in _DENIED:
        return StorageError(
            f"{store} refuses {doing} in the bucket '{bucket}'",
            fix="Give these credentials the right to list, read, write and delete there, or use others.",
        )
    if code in _NO_BUCKET:
        return StorageError(f"{store} has no bucket '{bucket}'", fix="Make it first, or correct its name.")
    if code in _ELSEWHERE:
        return StorageError(
            f"the bucket '{bucket}' is in another region ({code})",
            fix="Set it: storage.region in mlbsdk.yaml, or AWS_REGION.",
        )
    return StorageError(f"{store} failed at {doing} in the bucket '{bucket}': {code or 'no reason'}", fix="Try again.")
